package server

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// replayBytes bounds the pushes that a node keeps for pages that reconnect,
	// and replayAge how long it keeps them. Both are at most NATS's own bounds.
	replayBytes = 16 << 20
	replayAge   = broker.PushAge
)

// replayBuffer sends the pushes and nudges that nodes publish to the sessions of this node,
// and keeps pushes for pages that reconnect.
type replayBuffer struct {
	sessions *sessions
	site     func(id string) *site // nil: this node does not serve it
	log      *slog.Logger
	wakeRows func() // wakes the goroutine that holds rows
	wakeSync func() // wakes the goroutine that synchronizes tables

	mu      sync.Mutex    // guards the following fields
	cursor  broker.Cursor // of the last message
	tip     uint64        // the stream's last sequence number when this node subscribed; messages up to it may not have come yet
	pushes  []push        // the oldest first
	bytes   int
	targets []*session // reused by send
}

// push is a push that may be replayed.
type push struct {
	siteID string
	to     message.Target
	cursor broker.Cursor
	frame  []byte
	at     time.Time
}

// noCursor is the cursor of a new page that connects before this node has subscribed to the
// stream. All pushes of the stream follow it.
var noCursor = broker.Cursor{Epoch: "0"}

// subscribed takes the stream's last position, before its messages are received.
func (b *replayBuffer) subscribed(tip broker.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setEpoch(tip.Epoch)
	b.tip = tip.Seq
}

// setEpoch drops the pushes of another stream: the cursors of two streams cannot be
// compared. It is called with b.mu held.
func (b *replayBuffer) setEpoch(epoch string) {
	if b.cursor.Epoch != epoch {
		b.cursor, b.tip = broker.Cursor{Epoch: epoch}, 0
		b.pushes, b.bytes = nil, 0
	}
}

// receive takes one message. They come in order.
func (b *replayBuffer) receive(m broker.Message) {
	st := b.site(m.Site)
	msg, err := message.Decode(m.Data)
	if err != nil {
		b.log.Warn("a message on NATS is invalid", "error", err)
		return
	}
	b.deliver(st, m, msg)
	if st == nil {
		return
	}
	now := time.Now()
	stored := m.Stored
	if stored.After(now) { // by the clock of another machine
		stored = now
	}
	switch msg.Kind {
	case message.Cron:
		st.cron.tell(msg.At, msg.IssuedMS)
	case message.Renewed:
		st.held.Renewed(time.Duration(msg.LivesMS)*time.Millisecond, stored)
		b.wakeRows()
	case message.Rooms:
		st.changes.Take(msg, now, func(rooms []string) { b.pushRooms(st, rooms) })
	case message.PHPBeats:
		st.phpBeats.add(msg.Beats, stored)
	}
}

// deliver takes the cursor of a message, and sends pages what is for them.
func (b *replayBuffer) deliver(st *site, m broker.Message, msg message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setEpoch(m.Cursor.Epoch)
	b.cursor = m.Cursor
	switch {
	case st == nil:
	case msg.Kind == message.Push:
		frame := pushFrame(m.Cursor, msg)
		b.keep(push{st.ID, msg.To, m.Cursor, frame, time.Now()})
		b.send(st, msg.To, frame, m.Cursor)
	case msg.Kind == message.Nudge:
		b.send(st, msg.To, room.NudgeFrame(msg.SpreadMS, msg.Paced), broker.Cursor{})
	}
}

func pushFrame(c broker.Cursor, msg message.Message) []byte {
	b := transport.AppendString([]byte(`{"type":"push","cursor":`), c.String())
	if msg.To.Room != "" {
		b = transport.AppendString(append(b, `,"room":`...), msg.To.Room)
	}
	b = append(append(b, `,"data":`...), msg.Data...)
	return append(b, '}')
}

// keep adds a push, and drops pushes that are too old or too many. It is called with b.mu
// held.
func (b *replayBuffer) keep(p push) {
	b.pushes = append(b.pushes, p)
	b.bytes += len(p.frame)
	drop := 0
	for drop < len(b.pushes) && (b.bytes > replayBytes || p.at.Sub(b.pushes[drop].at) > replayAge) {
		b.bytes -= len(b.pushes[drop].frame)
		drop++
	}
	b.pushes = slices.Delete(b.pushes, 0, drop)
}

// send sends a frame to the sessions of this node that it is for. It is called with b.mu
// held. No other lock is held while it goes to users, so pages come and go meanwhile.
func (b *replayBuffer) send(st *site, to message.Target, frame []byte, at broker.Cursor) {
	if to.Room != "" {
		if r := st.rooms.Room(to.Room); r != nil {
			r.Deliver(frame, at)
		}
		return
	}
	b.targets = b.sessions.appendTargets(b.targets, st.ID, to)
	for _, s := range b.targets {
		s.Deliver(frame, at)
	}
	clear(b.targets)
	b.targets = b.targets[:0]
}

// subscribe sends a session, which has joined its rooms, the pushes that its page missed
// since a cursor, and lets Deliver send those that follow. No message is received meanwhile,
// so none is missed or sent twice. subscribe returns the cursor that the page's pushes
// follow, for the welcome: a page that is disconnected before its first push reconnects with
// it. It is called with s.mu held.
func (b *replayBuffer) subscribe(s *session, after string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.position(after)
	for _, p := range b.pushes {
		if p.cursor.Seq > from.Seq && s.receives(p.siteID, p.to) {
			s.Send(p.frame)
		}
	}
	upTo := from
	if upTo.Epoch == b.cursor.Epoch {
		upTo.Seq = max(upTo.Seq, b.cursor.Seq)
	}
	s.subscribed(upTo)
	return from.String()
}

// position returns the cursor up to which a page has the pushes, given the cursor in its
// hello. It is called with b.mu held.
func (b *replayBuffer) position(after string) broker.Cursor {
	had, err := broker.ParseCursor(after)
	known := b.cursor.Epoch != ""
	switch {
	case err != nil && known: // a new page: it gets what is pushed from now on
		return broker.Cursor{Epoch: b.cursor.Epoch, Seq: max(b.cursor.Seq, b.tip)}
	case err != nil:
		return noCursor
	case known && had.Epoch != b.cursor.Epoch: // it has no push of this stream
		return broker.Cursor{Epoch: b.cursor.Epoch}
	}
	return had
}
