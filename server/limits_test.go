package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/limit"
)

// behindProxy trusts the tests themselves as a web server.
func behindProxy(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// TestLimitsThroughAProxy opens WebSockets and sessions for one address, behind a trusted
// web server, up to the limit.
func TestLimitsThroughAProxy(t *testing.T) {
	n := newNode(t, behindProxy)
	p := n.page(t, 1)
	header := http.Header{"X-Forwarded-For": {"192.0.2.7"}}
	request := httptest.NewRequest("GET", "/", nil)
	request.RemoteAddr, request.Header = "127.0.0.1:5000", header
	for opened := 0; ; opened++ { // all but two
		release, bye := n.clients.Open(request)
		if bye != nil {
			t.Fatal(bye)
		}
		if opened == limit.MaxLinks-2 {
			release()
			break
		}
	}
	s, _, err := p.dial(t, header)
	if err != nil {
		t.Fatal(err)
	}
	s.send(p.hello())
	s.next("welcome")
	other := n.page(t, 2)
	if r, body := nodetest.Send(t, "POST", n.url+"/heartbeat/open", other.hello(), header); r.StatusCode != 200 {
		t.Fatalf("an open: %d %s", r.StatusCode, body)
	}
	if _, r, err := p.dial(t, header); err == nil || r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a WebSocket above the limit: %v", err)
	}
	if r, body := nodetest.Send(t, "POST", n.url+"/heartbeat/open", other.hello(), header); r.StatusCode != 429 || !strings.Contains(body, `"code":4006`) {
		t.Errorf("an open above the limit: %d %s", r.StatusCode, body)
	}
	if _, _, err := other.dial(t, http.Header{"X-Forwarded-For": {"192.0.2.8"}}); err != nil {
		t.Errorf("another address: %v", err)
	}
	_, metrics := nodetest.Send(t, "GET", n.admin+"/metrics", "", nil)
	if !strings.Contains(metrics, `heartbeatd_limited_total{limit="links"} 2`) {
		t.Errorf("the metrics lack the refusals: %s", metrics)
	}
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	until(t, "the link is released", func() bool {
		again, _, err := p.dial(t, header)
		if err == nil {
			_ = again.conn.CloseNow()
		}
		return err == nil
	})
}

// TestConnectionLimit accepts as many connections as allowed, and others when they end.
func TestConnectionLimit(t *testing.T) {
	n := newNode(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := n.clients.Listen(inner, 2)
	web := &http.Server{Handler: n.Public()}
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	defer func() {
		_ = web.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	// connect returns a connection that works, or nil. The node may reset a connection so soon that
	// even Dial fails.
	connect := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			return nil
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET /heartbeat/heartbeat.js HTTP/1.1\r\nHost: x\r\n\r\n")
		if n, _ := c.Read(make([]byte, 12)); n < 12 {
			return nil
		}
		return c
	}
	first, second := connect(), connect()
	if first == nil || second == nil {
		t.Fatal("the connections within the limit do not work")
	}
	if connect() != nil {
		t.Error("a connection above the limit works")
	}
	if got := n.clients.OpenConnections(); got != 2 {
		t.Errorf("%d connections count", got)
	}
	_ = first.Close()
	until(t, "another connection works", func() bool { return connect() != nil })
	if got := testCounter(t, n, "connections"); got < 1 {
		t.Errorf("%d refused connections are counted", got)
	}
}

// testCounter returns a value of heartbeatd_limited_total.
func testCounter(t *testing.T, n *node, limit string) (value int) {
	t.Helper()
	_, metrics := nodetest.Send(t, "GET", n.admin+"/metrics", "", nil)
	_, rest, _ := strings.Cut(metrics, fmt.Sprintf("heartbeatd_limited_total{limit=%q} ", limit))
	if _, err := fmt.Sscan(rest, &value); err != nil {
		t.Fatalf("no counter of %s: %v", limit, err)
	}
	return value
}
