package page

import (
	"maps"
	"slices"
	"time"
)

// State is what a page knows.
type State struct {
	Out      string    // why the page has ended by itself, or empty
	OutAt    time.Time // when
	Linked   bool
	Shown    bool          // it has a link, and shows the room of its post as the link has brought it, if it edits one
	Blocked  int           // the code of the close after which the page does not connect again, or 0
	HasLinks bool          // the page can have a link
	First    time.Time     // when it had its first link, zero if it had none
	Longest  time.Duration // without a link
	Missed   []time.Time
	Received []Push
	Ticket   string
	PostRoom []string // who is in the room of its post
}

// State returns the page's state.
func (p *Page) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := p.longest
	if !p.unlinkedFrom.IsZero() && p.out == "" {
		longest = max(longest, time.Since(p.unlinkedFrom))
	}
	return State{
		Out: p.out, OutAt: p.outAt, Linked: p.link != nil, Shown: p.link != nil && (p.Post == 0 || p.shown), Blocked: p.blocked, HasLinks: len(p.Kind.order) > 0, First: p.linkedFirst, Longest: longest,
		Missed: slices.Clone(p.missed), Received: slices.Clone(p.received), Ticket: p.ticket, PostRoom: slices.Sorted(maps.Keys(p.postRoom)),
	}
}

// Forget begins a new measurement: of the longest time without a link, and of pushes. Pushes that
// the page has received stay known as long as they may arrive again.
func (p *Page) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.longest, p.received, p.missed, p.history = 0, nil, nil, nil
	if !p.unlinkedFrom.IsZero() {
		p.unlinkedFrom = time.Now()
	}
	const kept = 10_000
	if len(p.seen) > kept {
		clear(p.seen)
	}
}
