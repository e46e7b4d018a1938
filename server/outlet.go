package server

import (
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/transport"
)

// outlet passes the frames for a page to the Outbox of its connection, if it has one.
type outlet struct {
	mu          sync.Mutex // guards the following fields
	out         *transport.Outbox
	dates       bool         // the page understands dates in presence frames
	stale       []*room.Room // rooms of which a frame did not fit: the page needs their snapshots
	subscribing bool         // the replay buffer will send the pushes that the page missed
	pushed      topic.Cursor // of the last push that the page was sent
	opened      time.Time    // pushes that NATS stored before are not for the page
}

// attach gives the outlet a connection, and returns the one that it had. dates is what the hello
// says about the page.
func (o *outlet) attach(out *transport.Outbox, dates bool) (old *transport.Outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old = o.out
	o.out, o.dates, o.stale, o.subscribing = out, dates, nil, true
	return old
}

// detach removes a connection. It reports whether the outlet still had it.
func (o *outlet) detach(out *transport.Outbox) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out != out {
		return false
	}
	o.out = nil
	return true
}

func (o *outlet) connected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out != nil
}

// transport returns the name of the transport, if there is a connection.
func (o *outlet) transport() (name string, connected bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out == nil {
		return "", false
	}
	return o.out.Transport(), true
}

// bye ends the connection.
func (o *outlet) bye(b *transport.Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out != nil {
		o.out.Bye(b)
	}
}

// Offer implements room.Listener. A page that is too slow for the frame gets a snapshot
// of the room when it has caught up.
func (o *outlet) Offer(r *room.Room, frame []byte, minor bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out == nil || slices.Contains(o.stale, r) {
		return
	}
	if !o.out.Offer(frame, minor) {
		o.stale = append(o.stale, r)
	}
}

// TakesDates implements room.Listener.
func (o *outlet) TakesDates() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dates
}

// takeStale returns the rooms of which the page needs a snapshot, once.
func (o *outlet) takeStale() []*room.Room {
	o.mu.Lock()
	defer o.mu.Unlock()
	rooms := o.stale
	o.stale = nil
	return rooms
}

// Send implements room.Listener. A frame that does not fit ends the connection.
func (o *outlet) Send(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out != nil {
		o.out.Send(frame)
	}
}

// offer sends a frame, unless the page reads too slowly: then it returns false.
func (o *outlet) offer(frame []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out == nil || o.out.Offer(frame, false)
}

// Deliver implements room.Listener. It leaves out a push that the page was sent before,
// one that the replay buffer will send it, and one that is older than the page.
func (o *outlet) Deliver(frame []byte, at topic.Cursor, stored time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	push := at != topic.Cursor{}
	sent := o.subscribing || at.Epoch == o.pushed.Epoch && at.Seq <= o.pushed.Seq
	if o.out != nil && !(push && (sent || stored.Before(o.opened))) {
		o.out.Send(frame)
	}
}

// subscribed notes that the page has been sent the pushes up to a cursor: Deliver sends
// it those that follow, and that NATS has stored since a time of this machine's clock.
func (o *outlet) subscribed(upTo topic.Cursor, opened time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subscribing, o.pushed, o.opened = false, upTo, opened
}

// tellCursor sends a page the frame with the cursor of this node, unless it does not fit, or the page
// has not been sent all pushes up to there, or more. While the last message is older than the page, the page
// keeps its own cursor, which says when it opened.
func (o *outlet) tellCursor(frame []byte, at topic.Cursor, stored time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.out != nil && !o.subscribing && (o.pushed.Epoch != at.Epoch || o.pushed.Seq <= at.Seq) && !stored.Before(o.opened) {
		o.out.Offer(frame, false)
	}
}
