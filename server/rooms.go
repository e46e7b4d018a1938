package server

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// roomPace is the least time between two presence frames of a room: what
	// happens meanwhile goes out as one. The first change after a quiet time
	// goes out at once.
	roomPace = 250 * time.Millisecond
	// seenPace is how long the mere renewal of somebody's date may wait for
	// company. It is well below the 30 s after which a person counts as idle.
	seenPace = 10 * time.Second
)

// room fans the changes of one room out to the sessions of this node that
// hear it.
type room struct {
	name  string
	view  *broker.View
	users int // sessions that acquired it; guarded by the site's roomsMu

	mu       sync.Mutex // guards the following fields; taken after the view's lock
	sessions map[*session]struct{}
	pending  map[string]pending // by client id
	lastSent time.Time
	timer    *time.Timer
	due      time.Time
	whole    snapshot
}

// snapshot is a room's frame for whoever joins, good until the room changes.
type snapshot struct {
	of    []broker.Entry // the view's list, which is made anew when it changes
	total int
	frame []byte
}

// is says whether the snapshot is of this very list.
func (n *snapshot) is(entries []broker.Entry, total int) bool {
	return n.frame != nil && n.total == total && len(n.of) == len(entries) && (total == 0 || &n.of[0] == &entries[0])
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
	if len(r.sessions) == 0 {
		return
	}
	if old, found := r.pending[c.Entry.ClientID]; found {
		r.pending[c.Entry.ClientID] = old.fold(c)
	} else {
		r.pending[c.Entry.ClientID] = pending{c.Kind, c.Entry}
	}
	pace := roomPace
	if c.Kind == broker.Seen {
		pace = seenPace
	}
	r.schedule(r.lastSent.Add(pace))
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
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = time.Time{}
	if len(r.pending) == 0 {
		return
	}
	frame := r.frame()
	clear(r.pending)
	r.lastSent = time.Now()
	for s := range r.sessions {
		s.offer(r, frame)
	}
}

func (r *room) frame() []byte {
	var joined, updated, left []broker.Entry
	for _, p := range r.pending {
		switch p.kind {
		case broker.Joined:
			joined = append(joined, p.entry)
		case broker.Left:
			left = append(left, p.entry)
		default:
			updated = append(updated, p.entry)
		}
	}
	b := r.head()
	b = appendEntries(b, "joined", joined)
	b = appendEntries(b, "updated", updated)
	b = appendEntries(b, "left", left)
	return append(b, '}')
}

func (r *room) head() []byte {
	return transport.AppendString([]byte(`{"type":"presence","room":`), r.name)
}

// member is an entry in a frame, where the room stands on the frame.
type member struct {
	broker.Entry
	Room string `json:"room,omitempty"`
}

func appendEntries(b []byte, name string, entries []broker.Entry) []byte {
	if entries == nil {
		return b
	}
	b = append(b, `,"`+name+`":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		j, _ := json.Marshal(member{Entry: e}) // strings and checked JSON cannot fail
		b = append(b, j...)
	}
	return append(b, ']')
}

// join registers a session and gives it a snapshot: everything that happens
// later reaches it as a change.
func (r *room) join(s *session) {
	r.snapshot(s, func() bool {
		r.sessions[s] = struct{}{}
		return true
	})
}

// snapshot sends s the room as it is. What was pending is in it, and will
// reach the other sessions as changes; folding them in twice does no harm.
func (r *room) snapshot(s *session, wanted func() bool) {
	r.view.Room(r.name, func(entries []broker.Entry, total int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !wanted() {
			return
		}
		if !r.whole.is(entries, total) {
			b := appendEntries(r.head(), "snapshot", append([]broker.Entry{}, entries...))
			b = append(b, `,"total":`...)
			b = strconv.AppendInt(b, int64(total), 10)
			r.whole = snapshot{entries, total, append(b, '}')}
		}
		s.offer(r, r.whole.frame)
	})
}

// catchUp sends a snapshot to a session that was too slow for the changes.
func (r *room) catchUp(s *session) {
	r.snapshot(s, func() bool {
		_, hears := r.sessions[s]
		return hears
	})
}

// leave forgets a session.
func (r *room) leave(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	if len(r.sessions) == 0 {
		clear(r.pending)
	}
}
