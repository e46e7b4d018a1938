// Package budget divides what a node and NATS have among the sites that share them.
package budget

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// share says how much a site may use: at most share times what would then still be free, and always
// an equal part of one share-th of the budget. So one busy site gets 8/9 of a budget, two that grow
// together get 8/17 each. Those that come when others have left nothing free get their equal part: a
// budget is exceeded by one share-th at most.
const share = 8

// shared returns the size of a budget of which one site alone can use n.
func shared(n int64) int64 { return n + (n+share-1)/share }

// slots is into how many parts the time is divided after which usage is given back.
const slots = 8

// Budget is an amount that sites share.
type Budget struct {
	limits // max is guarded by mu
	*sharing

	mu    sync.Mutex // guards the following fields; no other lock is taken under it
	used  int64
	of    map[string]int64
	later []slot // the oldest first
}

// sharing is what the budgets of a node have in common.
type sharing struct {
	payer  func(site string) string // the site whose budget another one uses
	payers int64                    // how many sites have a budget
	denied func(*Error)
}

// slot is usage that is given back at a time.
type slot struct {
	begun, at time.Time
	of        map[string]int64
}

// Error is the error for a site that has used up a budget.
type Error struct{ Name, Site, What string }

func (e *Error) Error() string {
	return fmt.Sprintf("the site %s has reached its limit of %s: try again later", e.Site, e.What)
}

func newBudget(l limits, s *sharing) *Budget {
	return &Budget{limits: l, sharing: s, of: make(map[string]int64)}
}

// Take uses n of the budget for a site. If the error, an *Error, is not nil, it has used nothing. The
// caller passes the error to Report.
func (b *Budget) Take(site string, n int64) error {
	payer := b.payer(site)
	b.mu.Lock()
	allowed := b.allows(payer, n)
	if allowed {
		b.add(payer, n)
	}
	b.mu.Unlock()
	if !allowed {
		return b.Over(site)
	}
	return nil
}

// Over returns the error for a site that has used up the budget.
func (b *Budget) Over(site string) error { return &Error{b.name, b.payer(site), b.what} }

// Report tells denied of an error if it is an *Error. It writes a log, so it is called without locks
// that others wait for.
func (s *sharing) Report(err error) {
	if over := new(Error); errors.As(err, &over) {
		s.denied(over)
	}
}

// SetMax changes the budget to one of which a site alone can use n. What is used stays.
func (b *Budget) SetMax(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.max = shared(n)
}

// Allows reports whether a site may use n of the budget.
func (b *Budget) Allows(site string, n int64) bool {
	site = b.payer(site)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.allows(site, n)
}

// allows is Allows for a site that pays, with b.mu held.
func (b *Budget) allows(payer string, n int64) bool {
	b.sweep(time.Now())
	return n <= 0 || b.of[payer]+n <= max(share*(b.max-b.used-n), b.max/share/b.payers)
}

// Add uses n of the budget, also if it is used up.
func (b *Budget) Add(site string, n int64) {
	site = b.payer(site)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(site, n)
}

// Give gives n back.
func (b *Budget) Give(site string, n int64) { b.Add(site, -n) }

// GiveLater gives n back when NATS no longer stores what it has stored since a time.
func (b *Budget) GiveLater(site string, n int64, since time.Time) {
	site = b.payer(site)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.sweep(now)
	if since.After(now) {
		since = now
	}
	width := b.keep / slots
	last := len(b.later) - 1
	if last < 0 || since.Sub(b.later[last].begun) >= width {
		b.later = append(b.later, slot{since, since.Add(b.keep + width), make(map[string]int64)})
		last++
	}
	b.later[last].of[site] += n
}

// sweep gives back what is due. It is called with b.mu held.
func (b *Budget) sweep(now time.Time) {
	due := 0
	for due < len(b.later) && !now.Before(b.later[due].at) {
		for site, n := range b.later[due].of {
			b.add(site, -n)
		}
		due++
	}
	b.later = b.later[due:]
}

func (b *Budget) add(site string, n int64) {
	b.used += n
	if b.of[site] += n; b.of[site] == 0 {
		delete(b.of, site)
	}
}
