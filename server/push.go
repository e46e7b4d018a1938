package server

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// replayBytes bounds what a node remembers of pushes for pages that come
	// back; replayAge is how long it does. Both are NATS's own bounds or less.
	replayBytes = 16 << 20
	replayAge   = 2 * time.Minute
)

// target says whom a push or a nudge is for: one of its fields is set.
type target struct {
	Room string `json:"room,omitempty"`
	User int64  `json:"user,omitempty"`
	Can  string `json:"can,omitempty"`
	All  bool   `json:"all,omitempty"`
}

// message is a push or a nudge as it travels between nodes.
type message struct {
	Kind     string          `json:"kind"` // push, nudge
	To       target          `json:"to"`
	Data     json.RawMessage `json:"data,omitempty"`
	SpreadMS int             `json:"spread_ms,omitempty"`
}

// mailbox hands what is said on NATS to the sessions of this node, and keeps
// it for pages that come back.
type mailbox struct {
	server *Server
	log    *slog.Logger

	mu     sync.Mutex // guards the following fields; taken before a view's, a room's and a session's outMu
	cursor broker.Cursor
	kept   []letter // pushes, oldest first
	bytes  int
	found  []*session // sendWho's, used again
}

// letter is a push that may be replayed.
type letter struct {
	site  *site
	to    target
	seq   uint64
	frame []byte
	at    time.Time
}

// deliver takes one signal, in order.
func (m *mailbox) deliver(sig broker.Signal) {
	var msg message
	st := m.server.site(sig.Site)
	if err := json.Unmarshal(sig.Data, &msg); err != nil {
		m.log.Warn("a message on NATS is not one", "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cursor.Epoch != sig.Cursor.Epoch {
		m.kept, m.bytes = nil, 0 // nobody can ask for those any more
	}
	m.cursor = sig.Cursor
	if st == nil {
		return
	}
	l := letter{site: st, to: msg.To, seq: sig.Cursor.Seq, at: time.Now()}
	switch msg.Kind {
	case "push":
		l.frame = pushFrame(sig.Cursor, msg)
		m.keep(l)
	case "nudge":
		l.frame = nudgeFrame(msg.SpreadMS)
	default:
		return // of a newer heartbeatd
	}
	if msg.To.Room == "" {
		m.sendWho(l)
	} else if r := st.room(msg.To.Room); r != nil {
		r.send(l.frame)
	}
}

func pushFrame(c broker.Cursor, msg message) []byte {
	b := transport.AppendString([]byte(`{"type":"push","cursor":`), c.String())
	if msg.To.Room != "" {
		b = transport.AppendString(append(b, `,"room":`...), msg.To.Room)
	}
	b = append(append(b, `,"data":`...), msg.Data...)
	return append(b, '}')
}

func nudgeFrame(spreadMS int) []byte {
	b := strconv.AppendInt([]byte(`{"type":"nudge","spread_ms":`), int64(spreadMS), 10)
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

// enroll has a session join its rooms, and sends it what it missed since after.
// Nothing is delivered meanwhile, so nothing is missed or sent twice. It
// returns where the session stands.
func (m *mailbox) enroll(s *session, after string, join func() error) (cursor string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := join(); err != nil {
		return "", err
	}
	if m.cursor.Epoch == "" {
		return "", nil
	}
	since, err := broker.ParseCursor(after)
	if err == nil && since.Epoch == m.cursor.Epoch {
		for _, l := range m.kept {
			if l.seq <= since.Seq || l.site != s.site {
				continue
			}
			if l.to.Room != "" && s.hearsRoom(l.to.Room) || s.wants(l.to) {
				s.send(l.frame)
			}
		}
	}
	return m.cursor.String(), nil
}

// sendWho gives a letter to the sessions of this node that it is for, other than
// by their room. Nobody else waits meanwhile to come or to go.
func (m *mailbox) sendWho(l letter) {
	m.server.mu.Lock()
	for _, s := range m.server.sessions {
		if s.site == l.site && s.wants(l.to) {
			m.found = append(m.found, s)
		}
	}
	m.server.mu.Unlock()
	for _, s := range m.found {
		s.send(l.frame)
	}
	clear(m.found)
	m.found = m.found[:0]
}
