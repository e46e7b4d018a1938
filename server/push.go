package server

import (
	"encoding/json"
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
	// replayBytes bounds what a node remembers of pushes for pages that come
	// back; replayAge is how long it does. Both are NATS's own bounds or less.
	replayBytes = 16 << 20
	replayAge   = 2 * time.Minute
)

// mailbox hands what is said on NATS to the sessions of this node, and keeps
// it for pages that come back.
type mailbox struct {
	server *Server
	log    *slog.Logger

	mu     sync.Mutex    // guards the following fields
	cursor broker.Cursor // of what was delivered last
	tip    uint64        // the stream's last sequence at the time of subscribing; up to it some may not be delivered yet
	kept   []letter      // pushes, oldest first
	bytes  int
	found  []*session // sendWho's, used again
}

// letter is a push, which may be replayed, or a nudge.
type letter struct {
	site   *site
	to     message.Target
	cursor broker.Cursor
	frame  []byte
	at     time.Time
}

// noCursor is where a page stands that came before this node had heard of any
// stream: all of whichever stream comes is new to it.
var noCursor = broker.Cursor{Epoch: "0"}

// subscribed takes the stream's last position, before its messages are delivered.
func (m *mailbox) subscribed(tip broker.Cursor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(tip.Epoch)
	m.tip = tip.Seq
}

// enter forgets the pushes of another stream: the cursors of two streams cannot be
// compared. It is called with m.mu held.
func (m *mailbox) enter(epoch string) {
	if m.cursor.Epoch != epoch {
		m.cursor, m.tip = broker.Cursor{Epoch: epoch}, 0
		m.kept, m.bytes = nil, 0
	}
}

// deliver takes one signal, in order.
func (m *mailbox) deliver(sig broker.Message) {
	var msg message.Message
	st := m.server.site(sig.Site)
	if err := json.Unmarshal(sig.Data, &msg); err != nil {
		m.log.Warn("a message on NATS is not one", "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(sig.Cursor.Epoch)
	m.cursor = sig.Cursor
	if st == nil {
		return
	}
	l := letter{site: st, to: msg.To, at: time.Now()}
	switch msg.Kind {
	case message.Push:
		l.cursor, l.frame = sig.Cursor, pushFrame(sig.Cursor, msg)
		m.keep(l)
	case message.Nudge:
		l.frame = room.NudgeFrame(msg.SpreadMS)
	case message.Cron:
		st.cron.tell(msg.At, msg.IssuedMS)
		return
	default:
		return // of a newer heartbeatd
	}
	if msg.To.Room == "" {
		m.sendWho(l)
	} else if r := st.rooms.Room(msg.To.Room); r != nil {
		r.Deliver(l.frame, l.cursor)
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

// keep remembers a push and forgets what is too old or too much.
func (m *mailbox) keep(l letter) {
	m.kept = append(m.kept, l)
	m.bytes += len(l.frame)
	gone := 0
	for gone < len(m.kept) && (m.bytes > replayBytes || l.at.Sub(m.kept[gone].at) > replayAge) {
		m.bytes -= len(m.kept[gone].frame)
		gone++
	}
	m.kept = slices.Delete(m.kept, 0, gone)
}

// enroll sends a session, which has joined its rooms, what its page missed since
// after, and has it get what follows. Nothing is delivered meanwhile, so nothing is
// missed or sent twice. It returns the cursor that the page's pushes follow, for the
// welcome: a page that is cut off before the first of them comes back with it.
func (m *mailbox) enroll(s *session, after string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	from := m.from(after)
	for _, l := range m.kept {
		if l.cursor.Seq <= from.Seq || l.site.ID != s.key.site {
			continue
		}
		if l.to.Room != "" && s.hearsRoom(l.to.Room) || s.wants(l.to) {
			s.Send(l.frame)
		}
	}
	had := from
	if had.Epoch == m.cursor.Epoch {
		had.Seq = max(had.Seq, m.cursor.Seq)
	}
	s.follow(had)
	return from.String()
}

// from returns the cursor up to which a page has had the pushes, given the cursor
// that it came with. It is called with m.mu held.
func (m *mailbox) from(after string) broker.Cursor {
	had, err := broker.ParseCursor(after)
	known := m.cursor.Epoch != ""
	switch {
	case err != nil && known: // a new page: it wants what is said from now on
		return broker.Cursor{Epoch: m.cursor.Epoch, Seq: max(m.cursor.Seq, m.tip)}
	case err != nil:
		return noCursor
	case known && had.Epoch != m.cursor.Epoch: // it has had nothing of this stream
		return broker.Cursor{Epoch: m.cursor.Epoch}
	}
	return had
}

// sendWho gives a letter to the sessions of this node that it is for, other than
// by their room. Nobody else waits meanwhile to come or to go.
func (m *mailbox) sendWho(l letter) {
	m.server.mu.Lock()
	for _, s := range m.server.sessions {
		if s.key.site == l.site.ID && s.wants(l.to) {
			m.found = append(m.found, s)
		}
	}
	m.server.mu.Unlock()
	for _, s := range m.found {
		s.Deliver(l.frame, l.cursor)
	}
	clear(m.found)
	m.found = m.found[:0]
}
