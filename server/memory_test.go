package server

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/apidoc"
	"github.com/heartbeatd/heartbeatd/internal/memtransport"
	"github.com/heartbeatd/heartbeatd/transport"
)

// memory is a page's connection over the transport in memory.
type memory struct {
	t      *testing.T
	conn   *memtransport.Conn
	frames chan []byte
	ended  chan *transport.Bye
}

// Frame implements memtransport.Client.
func (m *memory) Frame(frame []byte) {
	select {
	case m.frames <- frame:
	default:
		m.t.Error("a test reads too few frames")
	}
}

// Ended implements memtransport.Client.
func (m *memory) Ended(why *transport.Bye) { m.ended <- why }

// memory opens a connection in memory.
func (p *page) memory(t *testing.T) *memory {
	t.Helper()
	network := memtransport.New(p.node)
	m := &memory{t: t, frames: make(chan []byte, 100), ended: make(chan *transport.Bye, 1)}
	var err error
	if m.conn, err = network.Open(httptest.NewRequest("GET", p.node.url+"/", nil), []byte(p.hello()), m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.conn.Close()
		network.Close()
	})
	if f := m.next(); f.Type != "welcome" {
		t.Fatalf("the first frame is %v", f)
	}
	return m
}

func (m *memory) next() (f frame) {
	m.t.Helper()
	select {
	case text := <-m.frames:
		apidoc.Frame(m.t, text)
		if err := json.Unmarshal(text, &f); err != nil {
			m.t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		m.t.Fatal("no frame")
	}
	return f
}

func (m *memory) beat(id uint64, body string) frame {
	m.t.Helper()
	m.conn.Send(fmt.Appendf(nil, `{"type":"beat","id":%d,"body":%q}`, id, body))
	for {
		if f := m.next(); f.Type == "tick" || f.Type == "decline" {
			return f
		}
	}
}

// TestMemoryEnds checks how connections in memory end: after a bye, which is the last frame, with the
// session's grace period after a loss, and that a hello or a frame that is too large is refused.
func TestMemoryEnds(t *testing.T) {
	n := newNode(t)
	for what, c := range map[string]struct {
		end  func(m *memory)
		code int
	}{
		"leave":       {func(m *memory) { m.conn.Send([]byte(`{"type":"leave"}`)) }, transport.CodeLeft},
		"no frame":    {func(m *memory) { m.conn.Send([]byte(`{}`)) }, transport.CodeProtocol},
		"large frame": {func(m *memory) { m.conn.Send(make([]byte, transport.MaxFrame+1)) }, transport.CodeTooLarge},
		"loss":        {func(m *memory) { m.conn.Close() }, 0},
	} {
		t.Run(what, func(t *testing.T) {
			m := n.page(t, 1).memory(t)
			c.end(m)
			why := <-m.ended
			if (why == nil) != (c.code == 0) || why != nil && why.Code != c.code {
				t.Errorf("it ended with %v, want %d", why, c.code)
			}
			until(t, "the end of the session", func() bool { return n.sessions.count("") == 0 })
		})
	}
	_, err := memtransport.New(n).Open(httptest.NewRequest("GET", n.url, nil), []byte(strings.Repeat(" ", transport.MaxHello+1)), nil)
	if transport.AsBye(err).Code != transport.CodeTooLarge {
		t.Errorf("a large hello: %v", err)
	}
}
