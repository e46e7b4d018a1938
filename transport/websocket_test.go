package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// echo is a Server whose ticks are the beats. Package server tests the transports with the
// real server.
type echo struct {
	detached chan *Outbox
	out      *Outbox
}

func (e *echo) Open(_ *http.Request, _ Hello, out *Outbox) (Session, Welcome, error) {
	e.out = out
	return e, Welcome{}, nil
}

func (e *echo) Beat(_ context.Context, b Beat) Tick { return Tick{Status: 200, Body: b.Body} }
func (e *echo) Note([]byte)                         {}
func (e *echo) Renew(string) error                  { return errors.New("unexpected ticket") }
func (e *echo) Leave()                              {}
func (e *echo) Detach(out *Outbox)                  { e.detached <- out }

func serve(t *testing.T, ws *WebSocket) string {
	t.Helper()
	ws.CheckOrigin = func(*http.Request) bool { return true }
	s := httptest.NewServer(ws)
	t.Cleanup(func() {
		s.CloseClientConnections()
		ws.Wait()
		s.Close()
	})
	return s.URL
}

func dial(t *testing.T, url string, subprotocols ...string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: subprotocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// closed reads until the server closes the connection, and returns the code and the reason.
func closed(t *testing.T, c *websocket.Conn) (code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			var e websocket.CloseError
			if !errors.As(err, &e) {
				t.Fatalf("not closed: %v", err)
			}
			return e.Code, e.Reason
		}
	}
}

func TestLateHello(t *testing.T) {
	url := serve(t, &WebSocket{Server: &echo{}, helloTimeout: 20 * time.Millisecond})
	if code, reason := closed(t, dial(t, url, Subprotocol)); code != CodeProtocol || !strings.Contains(reason, "no hello") {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestOtherSubprotocol(t *testing.T) {
	url := serve(t, &WebSocket{Server: &echo{}})
	for name, offered := range map[string][]string{"none": nil, "another version": {"heartbeat.v9"}} {
		t.Run(name, func(t *testing.T) {
			if code, _ := closed(t, dial(t, url, offered...)); code != websocket.StatusPolicyViolation {
				t.Errorf("closed with %d", code)
			}
		})
	}
}

// TestNoCheckOrigin checks that without CheckOrigin pages of other hosts are refused.
func TestNoCheckOrigin(t *testing.T) {
	ws := &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}}
	s := httptest.NewServer(ws)
	defer s.Close()
	for name, c := range map[string]struct {
		origin string
		status int
	}{
		"the same host": {s.URL, http.StatusSwitchingProtocols},
		"another host":  {"https://example.org", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			conn, r, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{
				Subprotocols: []string{Subprotocol}, HTTPHeader: http.Header{"Origin": {c.origin}},
			})
			if r == nil || r.StatusCode != c.status {
				t.Fatalf("%v %v", r, err)
			}
			if conn != nil {
				_ = conn.CloseNow()
			}
		})
	}
	ws.Wait()
}

// TestDetachedOnce checks that a session is detached once when its connection is lost.
func TestDetachedOnce(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		e := &echo{detached: make(chan *Outbox, 2)}
		ws := &WebSocket{off: off, Server: e}
		c := dial(t, serve(t, ws), Subprotocol)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"hello"}`)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || !strings.HasPrefix(string(b), `{"type":"welcome"`) {
			t.Fatalf("%s %v", b, err)
		}
		_ = c.CloseNow()
		ws.Wait()
		if len(e.detached) != 1 || <-e.detached != e.out {
			t.Errorf("detached %d times", len(e.detached))
		}
	})
}

// TestSlowClient checks that the connection of a client that does not read ends.
func TestSlowClient(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		e := &echo{detached: make(chan *Outbox, 1)}
		c := dial(t, serve(t, &WebSocket{off: off, Server: e}), Subprotocol)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"hello"}`)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		frame := []byte(`{"type":"push","data":"` + strings.Repeat("x", 1<<20) + `"}`)
		for range 64 { // more than the sockets' buffers hold
			e.out.Send(frame)
		}
		if _, _, bye := e.out.After(0); bye == nil || bye.Code != CodeSlow {
			t.Fatalf("bye with 64 MiB in the outbox: %v", bye)
		}
		c.SetReadLimit(-1)
		if code, _ := closed(t, c); code != CodeSlow {
			t.Errorf("closed with %d", code)
		}
	})
}

// pipes is a listener of connections in memory, which work in a bubble of package synctest.
type pipes chan net.Conn

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p pipes) Accept() (net.Conn, error) {
	if c := <-p; c != nil {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

// TestCloseWithoutAnswer checks that a node that stops waits a second for clients that have lost their
// network: one before its hello, and one that does not read its bye.
func TestCloseWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{detached: make(chan *Outbox, 1)}
		ws := &WebSocket{Server: e, CheckOrigin: func(*http.Request) bool { return true }}
		listener, server := make(pipes), &http.Server{Handler: ws}
		go func() { _ = server.Serve(listener) }()
		defer func() { _ = server.Close() }()
		client := &http.Client{Transport: &http.Transport{DialContext: listener.dial}}
		for _, hello := range []string{"", `{"type":"hello"}`} {
			c, _, err := websocket.Dial(t.Context(), "http://node", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{Subprotocol}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.CloseNow() }()
			if hello != "" {
				if err := c.Write(t.Context(), websocket.MessageText, []byte(hello)); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		e.out.Bye(errStopping)
		began := time.Now() // of the bubble
		ws.Close()
		if took := time.Since(began); took > closeWait {
			t.Errorf("it ended after %v", took)
		}
	})
}
