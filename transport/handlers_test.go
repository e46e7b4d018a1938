package transport

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// slow is a Server whose beats wait.
type slow struct {
	begun, proceed chan struct{}
}

func (s *slow) Open(*http.Request, Hello, *Outbox) (Session, Welcome, error) {
	return s, Welcome{}, nil
}

func (s *slow) Beat(_ context.Context, b Beat) Tick {
	s.begun <- struct{}{}
	<-s.proceed
	return Tick{Status: 200, Body: b.Body}
}
func (s *slow) Note([]byte)        {}
func (s *slow) Renew(string) error { return nil }
func (s *slow) Leave()             {}
func (s *slow) Detach(*Outbox)     {}

// count returns the number of idle handlers.
func (h *handlers) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.idle)
}

// TestHandlers checks that beats that wait hold up no other, that few handlers stay when all are
// answered, and that these end with the last connection.
func TestHandlers(t *testing.T) {
	s := &slow{begun: make(chan struct{}), proceed: make(chan struct{})}
	ws := &WebSocket{Server: s}
	url := serve(t, ws)
	conns := make([]*websocket.Conn, 2*maxIdle)
	for i := range conns {
		conns[i] = welcomed(t, url)
		say(t, conns[i], fmt.Sprintf(`{"type":"beat","id":%d,"body":"a"}`, i+1))
	}
	for range conns {
		<-s.begun
	}
	close(s.proceed)
	for i, c := range conns {
		if got, want := hear(t, c), fmt.Sprintf(`{"type":"tick","id":%d,"status":200,"body":"a"}`, i+1); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	until(t, "handlers are idle", func() bool { return ws.handlers.count() == maxIdle })
	for _, c := range conns {
		_ = c.CloseNow()
	}
	ws.Wait()
	if n := ws.handlers.count(); n != 0 {
		t.Errorf("%d handlers are left", n)
	}
}
