// Package deposit keeps the values that back ends have deposited: heartbeatd answers handles
// with them, in beats of the pages that a value is for.
package deposit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxDeposits is the largest number of deposits of a site, maxBytes is that of the bytes
	// of their values, and maxHandles that of their handles. Further deposits are refused.
	maxDeposits = 1000
	maxBytes    = 2 << 20
	maxHandles  = 50
	// maxKeys is the largest number of deposits of a site including those that were withdrawn
	// before they expired: NATS keeps these messages, too.
	maxKeys = 2 * maxDeposits
	// overhead is how many bytes a message has on NATS besides the value, the handle and the
	// target, at most.
	overhead = 512
	// maxTotal is the largest number of bytes of the messages of all sites: less than NATS
	// stores, because deposits that nodes take at the same time may exceed it, and more than the
	// budgets of all sites together.
	maxTotal = topic.DepositBytes / 32 * 31
	// withdrawalTime is how long NATS keeps the withdrawal of a deposit that this node does not
	// have. Another node may have taken the deposit just before.
	withdrawalTime = time.Minute
)

// Store is a node's copy of the deposits of all sites. The zero value is ready to use.
type Store struct {
	Budget *budget.Budget // that the sites share; nil: none. Set it before the first use

	mu    sync.Mutex // guards the following fields; only that of Budget is taken under it
	sites map[string]*siteDeposits
	bytes int // of all messages
}

// siteDeposits are the deposits of one site.
type siteDeposits struct {
	all     map[key]deposit
	count   int            // of the deposits that were not withdrawn
	handles map[string]int // how many of these a handle has
	bytes   int            // of their values
}

// key identifies a deposit: a newer one with the same key replaces it.
type key struct {
	to     message.Target
	handle string
}

// deposit is the last message with a key: a deposit, or its withdrawal.
type deposit struct {
	value  wordpress.Encoded // empty: it was withdrawn
	until  time.Time
	keep   time.Time // when it is removed
	stored int64     // when NATS stored it, in Unix ns
	since  int64     // when NATS stored the first deposit with this value
	over   uint64    // the sequence number of an older message that NATS has instead; 0: none
}

func (d deposit) isWithdrawal() bool { return len(d.value) == 0 }

// size is how many bytes the message of a deposit has on NATS, at most.
func size(k key, d deposit) int {
	return overhead + len(d.value) + len(k.handle) + len(k.to.Room) + len(k.to.Can)
}

// Page has the facts about a page, from its ticket, by which a value is chosen.
type Page struct {
	User  int64
	Rooms []string // that the page hears
	Can   []string // capabilities
}

// Held is a handle that has a value for a page.
type Held struct {
	Handle string
	Since  int64 // changes with the value
}

// Put stores a deposit, or ends one. m is the message that it came in. Put reports whether
// pages must be told, because the deposit is new, has another value, or has ended; and whether
// the message is outdated: a node that had missed a newer one has restored it.
func (s *Store) Put(m broker.Message, d message.Deposit, now time.Time) (changed, outdated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{d.To, d.Handle}
	old, known := s.get(m.Site, k)
	next := deposit{until: time.UnixMilli(d.UntilMS), keep: time.UnixMilli(max(d.UntilMS, d.KeepMS)), stored: d.StoredNS}
	switch {
	case d.StoredNS == 0:
		next.stored = m.Stored.UnixNano()
	case known && d.StoredNS < old.stored:
		old.over = m.Cursor.Seq
		s.sites[m.Site].all[k] = old
		return false, true
	}
	if !d.IsWithdrawal() {
		next.value = wordpress.Encoded(d.Value)
	}
	next.since = next.stored
	had := known && old.isLive(now)
	same := had && next.isLive(now) && bytes.Equal(old.value, next.value)
	if same {
		next.since = old.since
	}
	keeps := now.Before(next.keep) && s.check(m.Site, k, next, now) == nil // other nodes' deposits may have reached the limit meanwhile
	s.remove(m.Site, k)
	if !keeps {
		return had, false
	}
	s.add(m.Site, k, next)
	return !same && (had || next.isLive(now)), false
}

// errBudget is the error for a site that has used up its budget.
var errBudget = errors.New("the budget of deposits is used up")

// Admit returns why a deposit exceeds a limit, or sets until when NATS keeps it.
func (s *Store) Admit(site string, d *message.Deposit, now time.Time) error {
	s.mu.Lock()
	err := s.admit(site, d, now)
	s.mu.Unlock()
	if errors.Is(err, errBudget) {
		err = s.Budget.Over(site)
		s.Budget.Report(err)
	}
	return err
}

// admit is Admit with s.mu held. Its error may be errBudget.
func (s *Store) admit(site string, d *message.Deposit, now time.Time) error {
	k := key{d.To, d.Handle}
	next := deposit{keep: time.UnixMilli(d.UntilMS)}
	if d.IsWithdrawal() {
		next.keep = now.Add(withdrawalTime)
	} else {
		next.value = wordpress.Encoded(d.Value)
	}
	if old, known := s.get(site, k); known && (d.IsWithdrawal() || old.keep.After(next.keep)) {
		next.keep = old.keep
	}
	d.KeepMS = next.keep.UnixMilli()
	return s.check(site, k, next, now)
}

// check returns why a deposit exceeds a limit, or nil. It is called with s.mu held.
func (s *Store) check(site string, k key, next deposit, now time.Time) error {
	if err := s.limit(site, k, next); err == nil {
		return nil
	}
	s.sweep(now)
	return s.limit(site, k, next)
}

func (s *Store) limit(site string, k key, next deposit) error {
	own := s.sites[site]
	if own == nil {
		own = &siteDeposits{}
	}
	old, known := own.all[k]
	grown := size(k, next)
	if known {
		grown -= size(k, old)
	}
	switch {
	case s.bytes+grown > maxTotal:
		return fmt.Errorf("all sites together have at most %d bytes of deposits", maxTotal)
	case s.Budget != nil && !s.Budget.Allows(site, int64(grown)):
		return errBudget
	case !known && len(own.all) >= maxKeys:
		return fmt.Errorf("a site has at most %d deposits, including those that were withdrawn before they expired", maxKeys)
	case next.isWithdrawal():
		return nil
	case own.bytes+len(next.value)-len(old.value) > maxBytes:
		return fmt.Errorf("a site has at most %d bytes of deposits", maxBytes)
	case old.isWithdrawal() && own.count >= maxDeposits:
		return fmt.Errorf("a site has at most %d deposits", maxDeposits)
	case own.handles[k.handle] == 0 && len(own.handles) >= maxHandles:
		return fmt.Errorf("a site has at most %d handles with deposits", maxHandles)
	}
	return nil
}

func (s *Store) get(site string, k key) (d deposit, known bool) {
	if own := s.sites[site]; own != nil {
		d, known = own.all[k]
	}
	return d, known
}

func (d deposit) isLive(now time.Time) bool { return !d.isWithdrawal() && now.Before(d.until) }

func (s *Store) add(site string, k key, d deposit) {
	if s.sites == nil {
		s.sites = make(map[string]*siteDeposits)
	}
	own := s.sites[site]
	if own == nil {
		own = &siteDeposits{all: make(map[key]deposit), handles: make(map[string]int)}
		s.sites[site] = own
	}
	own.all[k] = d
	s.count(site, size(k, d))
	if !d.isWithdrawal() {
		own.count++
		own.handles[k.handle]++
		own.bytes += len(d.value)
	}
}

// count changes the number of bytes of the messages of a site.
func (s *Store) count(site string, n int) {
	s.bytes += n
	if s.Budget != nil {
		s.Budget.Add(site, int64(n))
	}
}

func (s *Store) remove(site string, k key) {
	d, known := s.get(site, k)
	if !known {
		return
	}
	own := s.sites[site]
	delete(own.all, k)
	s.count(site, -size(k, d))
	if !d.isWithdrawal() {
		own.count--
		own.bytes -= len(d.value)
		if own.handles[k.handle]--; own.handles[k.handle] == 0 {
			delete(own.handles, k.handle)
		}
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
			if !now.Before(d.keep) {
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
	d, found := s.find(site, handle, p, now)
	return d.value, found
}

// find is Find with s.mu held.
func (s *Store) find(site, handle string, p Page, now time.Time) (d deposit, found bool) {
	if own := s.sites[site]; own == nil || own.handles[handle] == 0 {
		return d, false
	}
	newest := func(targets ...message.Target) bool {
		for _, to := range targets {
			if other, _ := s.get(site, key{to, handle}); other.isLive(now) && (!found || other.since > d.since) {
				d, found = other, true
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
	return d, found
}

// Held returns the handles that have a value for a page, in alphabetical order.
func (s *Store) Held(site string, p Page, now time.Time) (held []Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.sites[site]
	if own == nil {
		return nil
	}
	for handle := range own.handles {
		if d, found := s.find(site, handle, p, now); found {
			held = append(held, Held{handle, d.since})
		}
	}
	slices.SortFunc(held, func(a, b Held) int { return strings.Compare(a.Handle, b.Handle) })
	return held
}

// Has reports whether a site has deposits.
func (s *Store) Has(site string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sites[site] != nil
}

// Copy is a message of the store that may be missing on NATS.
type Copy struct {
	Site    string
	Message message.Deposit
	Over    uint64 // the sequence number of the older message that NATS has instead; 0: none
}

// Copies returns all deposits and withdrawals, or only those for which NATS has an older one.
func (s *Store) Copies(outdated bool, now time.Time) (copies []Copy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for site, own := range s.sites {
		for k, d := range own.all {
			if !now.Before(d.keep) || outdated && d.over == 0 {
				continue
			}
			m := message.Deposit{To: k.to, Handle: k.handle, Value: []byte(d.value), UntilMS: d.until.UnixMilli(), KeepMS: d.keep.UnixMilli(), StoredNS: d.stored}
			if d.isWithdrawal() {
				m.Value = []byte("null")
			}
			copies = append(copies, Copy{site, m, d.over})
		}
	}
	return copies
}
