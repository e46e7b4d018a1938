// Package deposit keeps the values that back ends have deposited: heartbeatd answers handles
// with them, in beats of the pages that a value is for.
package deposit

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxDeposits is the largest number of deposits of a site, maxBytes is that of the bytes
	// of their values, and maxHandles that of their handles. Further deposits are refused.
	maxDeposits = 1000
	maxBytes    = 2 << 20
	maxHandles  = 50
	// maxTotal is the largest number of bytes of the values of all sites: the limit of the
	// stream on NATS.
	maxTotal = broker.DepositBytes
)

// Store is a node's copy of the deposits of all sites. The zero value is ready to use.
type Store struct {
	mu    sync.Mutex // guards the following fields; no other lock is taken under it
	sites map[string]*siteDeposits
	bytes int
	count uint64 // counts deposits
}

// siteDeposits are the deposits of one site.
type siteDeposits struct {
	all     map[key]deposit
	handles map[string]int // how many deposits a handle has
	bytes   int
}

// key identifies a deposit: a newer one with the same key replaces it.
type key struct {
	to     message.Target
	handle string
}

type deposit struct {
	value wordpress.Encoded
	until time.Time
	order uint64 // larger in a newer one
}

// Page has the facts about a page, from its ticket, by which a value is chosen.
type Page struct {
	User  int64
	Rooms []string // that the page hears
	Can   []string // capabilities
}

// Put stores a deposit, or ends one. It reports whether pages must be told: the deposit is
// new, has another value, or has ended.
func (s *Store) Put(site string, d message.Deposit, now time.Time) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{d.To, d.Handle}
	old, had := s.live(site, k, now)
	until := time.UnixMilli(d.UntilMS)
	if d.IsWithdrawal() || !now.Before(until) {
		s.remove(site, k)
		return had
	}
	if had && string(old.value) == string(d.Value) {
		old.until = until
		s.sites[site].all[k] = old
		return false
	}
	s.remove(site, k)
	if s.check(site, k, len(d.Value), now) != nil {
		return had // meanwhile deposits of other nodes have reached the limit
	}
	s.add(site, k, deposit{wordpress.Encoded(d.Value), until, s.count})
	return true
}

// Check returns why a deposit exceeds a limit, or nil.
func (s *Store) Check(site string, d message.Deposit, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.IsWithdrawal() {
		return nil
	}
	return s.check(site, key{d.To, d.Handle}, len(d.Value), now)
}

// check is Check with s.mu held.
func (s *Store) check(site string, k key, size int, now time.Time) error {
	if err := s.limit(site, k, size); err == nil {
		return nil
	}
	s.sweep(now)
	return s.limit(site, k, size)
}

func (s *Store) limit(site string, k key, size int) error {
	own := s.sites[site]
	if own == nil {
		own = &siteDeposits{}
	}
	old, had := own.all[k]
	grown := size - len(old.value)
	switch {
	case s.bytes+grown > maxTotal:
		return fmt.Errorf("all sites together have at most %d bytes of deposits", maxTotal)
	case own.bytes+grown > maxBytes:
		return fmt.Errorf("a site has at most %d bytes of deposits", maxBytes)
	case !had && len(own.all) >= maxDeposits:
		return fmt.Errorf("a site has at most %d deposits", maxDeposits)
	case own.handles[k.handle] == 0 && len(own.handles) >= maxHandles:
		return fmt.Errorf("a site has at most %d handles with deposits", maxHandles)
	}
	return nil
}

// live returns a deposit that has not expired.
func (s *Store) live(site string, k key, now time.Time) (deposit, bool) {
	own := s.sites[site]
	if own == nil {
		return deposit{}, false
	}
	d, found := own.all[k]
	return d, found && now.Before(d.until)
}

func (s *Store) add(site string, k key, d deposit) {
	if s.sites == nil {
		s.sites = make(map[string]*siteDeposits)
	}
	own := s.sites[site]
	if own == nil {
		own = &siteDeposits{all: make(map[key]deposit), handles: make(map[string]int)}
		s.sites[site] = own
	}
	s.count++
	own.all[k] = d
	own.handles[k.handle]++
	own.bytes += len(d.value)
	s.bytes += len(d.value)
}

func (s *Store) remove(site string, k key) {
	own := s.sites[site]
	if own == nil {
		return
	}
	d, found := own.all[k]
	if !found {
		return
	}
	delete(own.all, k)
	own.bytes -= len(d.value)
	s.bytes -= len(d.value)
	if own.handles[k.handle]--; own.handles[k.handle] == 0 {
		delete(own.handles, k.handle)
	}
	if len(own.all) == 0 {
		delete(s.sites, site)
	}
}

// Sweep removes the deposits that have expired.
func (s *Store) Sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
}

func (s *Store) sweep(now time.Time) {
	for site, own := range s.sites {
		for k, d := range own.all {
			if !now.Before(d.until) {
				s.remove(site, k)
			}
		}
	}
}

// Find returns the value for a handle in the beats of a page: that for its user, or else
// for one of its rooms, for one of its capabilities, or for everyone. Of several rooms or
// capabilities the newest deposit counts.
func (s *Store) Find(site, handle string, p Page, now time.Time) (wordpress.Encoded, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, d, found := s.find(site, handle, p, now)
	return d.value, found
}

// Uses reports whether Find returns the value of this deposit.
func (s *Store) Uses(site string, d message.Deposit, p Page, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, _, found := s.find(site, d.Handle, p, now)
	return found && k.to == d.To
}

// find is Find with s.mu held.
func (s *Store) find(site, handle string, p Page, now time.Time) (k key, d deposit, found bool) {
	if own := s.sites[site]; own == nil || own.handles[handle] == 0 {
		return k, d, false
	}
	newest := func(targets ...message.Target) bool {
		for _, to := range targets {
			if other, live := s.live(site, key{to, handle}, now); live && (!found || other.order > d.order) {
				k, d, found = key{to, handle}, other, true
			}
		}
		return found
	}
	rooms := make([]message.Target, len(p.Rooms))
	for i, room := range p.Rooms {
		rooms[i].Room = room
	}
	can := make([]message.Target, len(p.Can))
	for i, capability := range p.Can {
		can[i].Can = capability
	}
	_ = newest(message.Target{User: p.User}) || newest(rooms...) || newest(can...) || newest(message.Target{All: true})
	return k, d, found
}

// Handles returns the handles that have a value for a page, in alphabetical order.
func (s *Store) Handles(site string, p Page, now time.Time) (handles []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.sites[site]
	if own == nil {
		return nil
	}
	for handle := range own.handles {
		if _, _, found := s.find(site, handle, p, now); found {
			handles = append(handles, handle)
		}
	}
	slices.Sort(handles)
	return handles
}

// Has reports whether a site has deposits.
func (s *Store) Has(site string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sites[site] != nil
}

// All returns the deposits that have not expired, by site.
func (s *Store) All(now time.Time) map[string][]message.Deposit {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]message.Deposit)
	for site, own := range s.sites {
		for k, d := range own.all {
			if now.Before(d.until) {
				all[site] = append(all[site], message.Deposit{To: k.to, Handle: k.handle, Value: []byte(d.value), UntilMS: d.until.UnixMilli()})
			}
		}
	}
	return all
}
