package server

import (
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// What a room costs grows with the pages that hear it, and not with their square,
// however many come at once. Changes are gathered, and go out as one frame, encoded
// once. A frame lists at most maxChanges of them; where there were more it is a
// snapshot, which has at most 200 entries and counts the rest: no page shows more.
// The more pages hear a room the longer is gathered, so that at most 4,000 frames
// a second leave a node for it. And of a large room a snapshot is made at most once
// between two frames: whoever joins hears in the next what it lacks.
const (
	// roomPace is the least time between two presence frames of a room. The first
	// change after a quiet time goes out at once.
	roomPace = 250 * time.Millisecond
	// pagePace is what each page that hears the room adds to that: from a thousand
	// on it counts.
	pagePace = roomPace / 1000
	// seenPace is how long the mere renewal of somebody's date may wait for
	// company, and the longest that anything waits. It is well below the 30 s
	// after which a person counts as idle whose page reports no input.
	seenPace = 10 * time.Second
	// maxChanges is the most changes that a frame lists.
	maxChanges = 200
)

// room fans the changes of one room out to the sessions of this node that
// hear it.
type room struct {
	name  string
	view  *broker.View
	users int // sessions that acquired it; guarded by the site's roomsMu

	// fan lets one frame out at a time, so that all get them in one order. It is
	// taken before the view's lock, never under it: a change need not wait until
	// a thousand pages have heard of the last.
	fan      sync.Mutex // guards the following fields
	sessions map[*session]struct{}
	whole    snapshot
	heads    heads

	mu       sync.Mutex // guards the following fields; taken for moments
	heard    int        // by so many sessions
	pending  map[string]pending
	crowd    bool   // there was more than may be pending: a snapshot is due
	changes  uint64 // so many there were
	flushes  uint64 // what was pending went, so often
	lastSent time.Time
	timer    *time.Timer
	due      time.Time
}

// pending is what the sessions have still to hear about one client id.
type pending struct {
	kind  broker.Kind
	entry broker.Entry
}

// fold adds a change to what is pending for its client id. A join and a leave
// make a leave: a session that got a snapshot in between must hear of it, and
// it does the others no harm.
func (p pending) fold(c broker.Change) pending {
	switch {
	case p.kind == broker.Joined && c.Kind != broker.Left:
		return pending{broker.Joined, c.Entry}
	case p.kind == broker.Left && c.Kind == broker.Joined:
		return pending{broker.Updated, c.Entry}
	case p.kind == broker.Updated && c.Kind == broker.Seen:
		return pending{broker.Updated, c.Entry}
	}
	return pending{c.Kind, c.Entry}
}

// change takes one change of the room. It is called under the view's lock.
func (r *room) change(c broker.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes++
	if r.heard == 0 {
		return
	}
	if !r.crowd {
		r.gather(c)
	}
	pace := min(max(roomPace, time.Duration(r.heard)*pagePace), seenPace)
	if c.Kind == broker.Seen {
		pace = seenPace
	}
	r.schedule(r.lastSent.Add(pace))
}

func (r *room) gather(c broker.Change) {
	old, found := r.pending[c.Entry.ClientID]
	switch {
	case found:
		r.pending[c.Entry.ClientID] = old.fold(c)
	case len(r.pending) == maxChanges:
		r.pending, r.crowd = nil, true
	default:
		if r.pending == nil {
			r.pending = make(map[string]pending)
		}
		r.pending[c.Entry.ClientID] = pending{c.Kind, c.Entry}
	}
}

// schedule has the room flushed at a time, or earlier if that was asked before.
func (r *room) schedule(at time.Time) {
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

// flush encodes what is pending, once, and gives it to every session.
func (r *room) flush() {
	r.fan.Lock()
	defer r.fan.Unlock()
	r.mu.Lock()
	r.due = time.Time{}
	changed, crowd := r.pending, r.crowd
	if crowd {
		r.lastSent = time.Now() // what comes before the snapshot is made is not urgent
	} else {
		r.flushed()
	}
	r.mu.Unlock()
	var frame []byte
	switch {
	case crowd:
		frame = r.look(r.flushed)
	case len(changed) > 0:
		frame = r.frame(changed)
	default:
		return
	}
	for s := range r.sessions {
		s.offer(r, frame)
	}
}

// flushed forgets what was pending. It is called with r.mu held.
func (r *room) flushed() {
	if len(r.pending) == 0 && !r.crowd {
		return
	}
	r.pending, r.crowd = nil, false
	r.flushes++
	r.lastSent = time.Now()
}

// join registers a session and gives it a snapshot: everything that happens
// later reaches it as a change.
func (r *room) join(s *session) {
	r.fan.Lock()
	defer r.fan.Unlock()
	r.sessions[s] = struct{}{}
	r.count()
	s.offer(r, r.snapshot())
}

// catchUp sends a snapshot to a session that was too slow for the changes.
func (r *room) catchUp(s *session) {
	r.fan.Lock()
	defer r.fan.Unlock()
	if _, hears := r.sessions[s]; hears {
		s.offer(r, r.snapshot())
	}
}

// leave forgets a session.
func (r *room) leave(s *session) {
	r.fan.Lock()
	defer r.fan.Unlock()
	delete(r.sessions, s)
	r.count()
}

// count notes how many sessions hear the room. When none does, nothing is gathered
// and the timer rests.
func (r *room) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard = len(r.sessions); r.heard > 0 {
		return
	}
	r.pending, r.crowd = nil, false
	r.flushes++
	r.due = time.Time{}
	if r.timer != nil {
		r.timer.Stop()
	}
}

// send gives every session a push or a nudge.
func (r *room) send(l letter) {
	r.fan.Lock()
	defer r.fan.Unlock()
	for s := range r.sessions {
		s.deliver(l)
	}
}
