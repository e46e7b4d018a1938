package room

import (
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// The cost of a room grows with the number of pages that hear it, not with its square, also
// when many pages join at once. Changes are gathered and sent as one frame, encoded once. A
// frame lists at most maxChanges of them. If there are more, the frame is a snapshot, which
// has at most 200 entries and the number of all: no page shows more. The more pages hear
// a room, the longer changes are gathered, so that a node sends at most 4,000 frames a
// second for it. A large room makes at most one snapshot between two frames: a page that
// joins receives the changes since the snapshot with the next frame.
const (
	// interval is the least time between two presence frames of a room. The first change
	// after a quiet time is sent at once.
	interval = 250 * time.Millisecond
	// pageInterval is the time for each page that hears the room. Together they replace interval
	// in a room of more than a thousand pages.
	pageInterval = interval / 1000
	// seenInterval is how long a new date of an entry, without another change, may wait for
	// other changes, and the longest that any change waits. It is well below the 30 s after
	// which a person counts as idle whose page reports no input.
	seenInterval = 10 * time.Second
	// refillEvery is the time after which pages that may not know all entries get another snapshot.
	refillEvery = time.Minute
	// maxChanges is the largest number of changes that a frame lists.
	maxChanges = 200
)

// Room sends the changes of one room to the pages of this node that hear it.
type Room struct {
	name      string
	view      *broker.View
	fannedOut func(kind string, took time.Duration) // may be nil

	users int // pages that joined and have not left; guarded by Rooms.mu

	// sendMu is held while a frame is sent, so that all pages get frames in one order. It
	// is acquired before the view's lock, never under it, so that a change does not wait
	// until the last frame was sent to a thousand pages.
	sendMu    sync.Mutex // guards the following fields
	listeners listeners
	last      snapshot
	cut       bool      // a page may not know all entries: it was sent the first of them only
	refilled  time.Time // when all pages got the last snapshot
	prefixes  prefixCache

	mu        sync.Mutex // guards the following fields; held only briefly
	listening int        // the number of listeners
	alone     int64      // the user of the only listener; 0 if there is none, or more than one
	total     int        // the number of entries, since the last snapshot was made
	pending   map[string]pending
	overflow  bool   // more than maxChanges changes are pending: a snapshot is due
	changes   uint64 // the number of changes
	flushes   uint64 // how often pending changes were sent
	lastSent  time.Time
	timer     *time.Timer
	due       time.Time // when the timer fires; zero: it does not run
}

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// pending is the change of one client id that is not yet sent to the pages.
type pending struct {
	first, kind presence.Kind // of the first change, and of all together
	entry       presence.Entry
	dated       bool // only the date has changed, and Entry.Idle if idle is true
	idle        bool
}

func newPending(c presence.Change) pending {
	dated := c.Kind == presence.Seen || c.IdleOnly && c.Entry.Idle != presence.Unreported
	return pending{c.Kind, c.Kind, c.Entry, dated, c.IdleOnly}
}

// fold adds a later change of the client id. A join and a leave make a leave: a page that
// got a snapshot in between needs it, and others ignore it. With another join they make a join.
func (p pending) fold(c presence.Change) pending {
	next := newPending(c)
	switch {
	case p.kind == presence.Joined && c.Kind != presence.Left, p.first == presence.Joined && c.Kind == presence.Joined:
		next.kind = presence.Joined
	case p.kind == presence.Left && c.Kind == presence.Joined, p.kind == presence.Updated && c.Kind == presence.Seen:
		next.kind = presence.Updated
	}
	next.first = p.first
	next.dated, next.idle = next.dated && p.dated, next.idle || p.idle
	return next
}

// change handles one change of the room. It is called under the view's lock.
func (r *Room) change(c presence.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	switch c.Kind {
	case presence.Joined:
		r.total++
	case presence.Left:
		r.total--
	}
	if r.listening == 0 || c.Kind == presence.Seen && r.concernsNobody(c.Entry) {
		return
	}
	if !r.overflow {
		r.gather(c)
	}
	wait := min(max(interval, time.Duration(r.listening)*pageInterval), seenInterval)
	if c.Kind == presence.Seen {
		wait = seenInterval
	}
	r.schedule(r.lastSent.Add(wait))
}

// concernsNobody reports whether nobody needs a new date of an entry: it is of the user of the only page that
// hears the room. Most editors are alone with their post, and are not told after each beat that they have
// beaten. Without Idle, the date says whether the user is idle, and in admin/online the drop-in shows the dates.
// It is called with r.mu held.
func (r *Room) concernsNobody(e presence.Entry) bool {
	return r.alone != 0 && e.UserID == r.alone && e.Idle != presence.Unreported && r.name != wordpress.AdminRoom
}

// gather adds a change to those that are pending. It is called with r.mu held.
func (r *Room) gather(c presence.Change) {
	old, found := r.pending[c.Entry.ClientID]
	switch {
	case found:
		r.pending[c.Entry.ClientID] = old.fold(c)
	case len(r.pending) == maxChanges:
		r.pending, r.overflow = nil, true
	default:
		if r.pending == nil {
			r.pending = make(map[string]pending)
		}
		r.pending[c.Entry.ClientID] = newPending(c)
	}
}

// schedule has the room flushed at a time, unless it is flushed earlier already. It is
// called with r.mu held.
func (r *Room) schedule(at time.Time) {
	if !r.due.IsZero() && !at.Before(r.due) {
		return
	}
	r.due = at
	wait := max(0, time.Until(at))
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.flush)
		return
	}
	r.timer.Reset(wait)
}

// flush encodes the pending changes and sends them to every page.
func (r *Room) flush() {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	r.mu.Lock()
	r.due = time.Time{}
	// A page ignores the dates of entries that it does not have.
	refill := r.cut && (r.total <= presence.MaxListed || time.Since(r.refilled) >= refillEvery)
	changed, anew := r.pending, r.overflow || refill
	if anew {
		r.lastSent = time.Now() // changes that come before the snapshot is made are not urgent
	} else {
		r.flushed()
	}
	r.mu.Unlock()
	switch {
	case anew:
		r.cut, r.refilled = false, time.Now()
		frame := r.newSnapshot(r.flushed)
		r.send(false, func(bool) []byte { return frame })
	case len(changed) > 0:
		r.send(r.isMinor(changed), func(dates bool) []byte { return r.changesFrame(changed, dates) })
	}
}

// send sends a frame to every page. encode returns it, with dates or without; send calls it at most
// once for each. send is called with r.sendMu held.
func (r *Room) send(minor bool, encode func(dates bool) []byte) {
	began := time.Now()
	withDates := sync.OnceValue(func() []byte { return encode(true) })
	without := sync.OnceValue(func() []byte { return encode(false) })
	for l := range r.listeners.all {
		if l.TakesDates() {
			l.Offer(r, withDates(), minor)
		} else {
			l.Offer(r, without(), minor)
		}
	}
	if r.fannedOut != nil {
		r.fannedOut("presence", time.Since(began))
	}
}

// isMinor reports whether nobody notices when changes are some seconds late: somebody who is
// online went to another screen, or became idle or active. In other rooms an update may say
// that a post's lock was taken over, or be of a plugin.
func (r *Room) isMinor(changed map[string]pending) bool {
	for _, p := range changed {
		if p.kind == presence.Joined || p.kind == presence.Left || p.kind == presence.Updated && r.name != wordpress.AdminRoom {
			return false
		}
	}
	return true
}

// flushed removes the pending changes. It is called with r.mu held.
func (r *Room) flushed() {
	if len(r.pending) == 0 && !r.overflow {
		return
	}
	r.pending, r.overflow = nil, false
	r.flushes++
	r.lastSent = time.Now()
}

// join adds a page, and sends it a snapshot.
func (r *Room) join(l Listener) {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	r.listeners.add(l)
	r.count()
	l.Offer(r, r.snapshotFrame(), false)
}

// CatchUp sends a snapshot to a page that was too slow for changes, if it still hears the
// room.
func (r *Room) CatchUp(l Listener) {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	if r.listeners.has(l) {
		l.Offer(r, r.snapshotFrame(), false)
	}
}

// leave removes a page.
func (r *Room) leave(l Listener) {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	r.listeners.remove(l)
	r.count()
}

// count updates what change needs to know of the pages that hear the room. If there is none, count drops the pending
// changes and stops the timer. It is called with r.sendMu held.
func (r *Room) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listening, r.alone = r.listeners.len(), r.listeners.only()
	if r.listening > 0 {
		return
	}
	r.pending, r.overflow = nil, false
	r.flushes++
	r.due = time.Time{}
	if r.timer != nil {
		r.timer.Stop()
	}
}

// Deliver sends every page a push or a nudge: see Listener.
func (r *Room) Deliver(frame []byte, at topic.Cursor, stored time.Time) {
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	for l := range r.listeners.all {
		l.Deliver(frame, at, stored)
	}
}
