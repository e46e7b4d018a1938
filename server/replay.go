package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/metrics"
	"github.com/heartbeatd/heartbeatd/server/replay"
	"github.com/heartbeatd/heartbeatd/server/room"
)

// replayBuffer sends the pushes and nudges that nodes publish to the sessions of this node,
// and keeps pushes for pages that reconnect.
type replayBuffer struct {
	sessions *sessions
	site     func(id string) *site // nil: this node does not serve it
	log      *slog.Logger
	wakeRows func()                    // wakes the goroutine that holds rows
	wakeSync func()                    // wakes the goroutine that synchronizes tables
	now      func() time.Time          // returns the time of NATS
	here     func(time.Time) time.Time // returns a time of NATS by this machine's clock
	asking   replay.Asker
	metrics  *metrics.Metrics

	mu      sync.Mutex // guards the following fields
	kept    replay.Buffer
	stored  time.Time  // when NATS stored the last message, by this machine's clock
	targets []*session // reused by send
}

// subscribed takes the numbers of the first and the last message of the stream, before they are
// received.
func (b *replayBuffer) subscribed(first uint64, tip topic.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tellMissed(b.kept.Subscribed(first, tip), time.Now())
}

// tellMissed tells the pages of this node that they may have missed pushes up to a position, if
// it is not zero, which NATS stored before a time. It is called with b.mu held.
func (b *replayBuffer) tellMissed(upTo topic.Cursor, stored time.Time) {
	if upTo == (topic.Cursor{}) {
		return
	}
	frame := replay.MissedFrame(upTo)
	for _, s := range b.sessions.all() {
		s.Deliver(frame, upTo, stored)
	}
}

// receive takes one message. They come in order.
func (b *replayBuffer) receive(m broker.Message) {
	st := b.site(m.Site)
	msg, err := message.Decode(m.Data)
	if err != nil {
		if m.Data != nil {
			b.log.Warn("a message on NATS is invalid", "site", m.Site, "error", err)
		}
		st = nil
	}
	b.deliver(st, m, msg)
	if st == nil {
		return
	}
	now, stored := time.Now(), b.here(m.Stored)
	switch msg.Kind {
	case message.Cron:
		st.cron.Tell(msg.At, msg.IssuedMS)
	case message.Renewed:
		st.held.Renewed(time.Duration(msg.LivesMS)*time.Millisecond, stored)
		b.wakeRows()
	case message.Rooms:
		b.takeRows(st, msg, now)
		b.recall(st, msg.Rooms)
		st.changes.Take(msg, now, func(rooms []string) { b.pushRooms(st, rooms) })
	case message.PHPBeats:
		st.phpBeats.Add(msg.Beats, msg.Native, stored)
	}
}

// deliver takes the cursor of a message, and sends pages what is for them. st is nil if the message
// is for none.
func (b *replayBuffer) deliver(st *site, m broker.Message, msg message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored = b.here(m.Stored)
	b.tellMissed(b.kept.Received(m.Cursor, m.Stored), b.stored)
	began := time.Now()
	switch {
	case st == nil:
	case msg.Kind == message.Push:
		frame := replay.PushFrame(m.Cursor, msg)
		b.kept.Keep(replay.Push{Site: st.ID, To: msg.To, Cursor: m.Cursor, Frame: frame, At: time.Now(), Stored: m.Stored})
		b.send(st, msg.To, frame, m.Cursor)
		b.metrics.Delivered(metrics.Push, time.Since(began))
	case msg.Kind == message.Nudge:
		b.send(st, msg.To, room.NudgeFrame(msg.SpreadMS, msg.Paced), topic.Cursor{})
		b.metrics.Delivered(metrics.Nudge, time.Since(began))
	}
}

// send sends the frame of the last message to the sessions of this node that it is for. It is called with b.mu
// held. No other lock is held while it goes to users, so pages come and go meanwhile.
func (b *replayBuffer) send(st *site, to message.Target, frame []byte, at topic.Cursor) {
	if to.Room != "" {
		if r := st.rooms.Room(to.Room); r != nil {
			r.Deliver(frame, at, b.stored)
		}
		return
	}
	b.targets = b.sessions.appendTargets(b.targets, st.ID, to)
	for _, s := range b.targets {
		s.Deliver(frame, at, b.stored)
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
	from, missed, opened := b.kept.Position(s.key.site, after, b.now())
	if missed != nil {
		s.Send(missed)
	}
	for _, p := range b.kept.After(from, s.key.site, s.targets()) {
		s.Send(p.Frame)
		b.metrics.Replayed()
	}
	upTo := from
	if upTo.Epoch == b.kept.Cursor.Epoch {
		upTo.Seq = max(upTo.Seq, b.kept.Cursor.Seq)
	}
	s.subscribed(upTo, b.here(opened))
	return replay.WithOpened(from, opened)
}

// reach asks NATS for the last message of the stream: a new page gets the pushes that follow it, also on a node
// that has not received it yet. If NATS does not answer, reach returns a cursor for the page.
func (b *replayBuffer) reach(ctx context.Context, from *broker.Broker) (cursor string) {
	last := b.asking.Last(ctx, from)
	b.mu.Lock()
	defer b.mu.Unlock()
	if last.Epoch == "" || last.Epoch != b.kept.Cursor.Epoch {
		return b.kept.Opened(b.now())
	}
	b.kept.Reached(last)
	return ""
}

// sendAway calls leave, which sends a page to another node, and tells the page its cursor first:
// since the page's last push the stream may have dropped messages that were not for the page.
func (b *replayBuffer) sendAway(s *session, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.kept.Cursor; c.Epoch != "" {
		s.tellCursor(replay.CursorFrame(c), c, b.stored)
	}
	leave()
}
