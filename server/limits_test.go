package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/transport"
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
		if opened == limit.Defaults.MaxAddressPages-2 {
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

// TestReloadedLimits changes each limit of the operator while pages are connected: they stay, and
// others are refused from then on.
func TestReloadedLimits(t *testing.T) {
	var config Config
	n := newNode(t, func(c *Config) { config = *c }, behindProxy)
	open := func(p *page) (s *socket, admitted bool) {
		s, _, err := p.dial(t, http.Header{"X-Forwarded-For": {"192.0.2.1"}})
		if err != nil {
			return nil, false
		}
		s.send(p.hello())
		f, err := s.read()
		return s, err == nil && f.Type == "welcome"
	}
	p := n.page(t, 1)
	first, _ := open(p)
	reload := func(change func(*limit.Max)) {
		t.Helper()
		config.Limits = limit.Max{} // the defaults
		change(&config.Limits)
		behindProxy(&config)
		if _, _, err := n.Reload(config); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*limit.Max){
		"pages": func(m *limit.Max) { m.MaxPages = 1 }, "pages of a user": func(m *limit.Max) { m.MaxUserPages = 1 }, "pages of an address": func(m *limit.Max) { m.MaxAddressPages = 1 },
	} {
		reload(change)
		if _, admitted := open(n.page(t, 1)); admitted {
			t.Errorf("a page is admitted above the limit of %s", name)
		}
		if f := first.beat(1, p.form()); f.Type != "tick" {
			t.Errorf("the limit of %s: the beat of an older page got %+v", name, f)
		}
	}
	reload(func(m *limit.Max) { m.MaxBeats = 1 })
	declined := false
	for id := uint64(2); id < 25 && !declined; id++ { // the usual limit allows all of these at once
		declined = first.beat(id, p.form()).Type == "decline"
	}
	if !declined {
		t.Error("23 beats at once were answered")
	}
	reload(func(m *limit.Max) { m.MaxQueueBytes = transport.MinQueueBytes })
	if _, admitted := open(n.page(t, 1)); !admitted {
		t.Error("a page is refused below the limits")
	}
	var out transport.Outbox
	if _, _, err := n.Open(httptest.NewRequest("GET", "/", nil), transport.Hello{Ticket: p.ticket, Conn: p.conn}, &out); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		out.Send(make([]byte, transport.MinQueueBytes/2))
	}
	if out.Code() != transport.CodeSlow {
		t.Errorf("the queue is above its limit: closed with %d", out.Code())
	}
}

// TestReloadWhilePageEnters changes the limit of beats while a page waits to be added to the sessions.
func TestReloadWhilePageEnters(t *testing.T) {
	n := newNode(t)
	entered := make(chan *session)
	n.sessions.mu.Lock()
	claims := claimsFor("1")
	go func() {
		s, _, err := n.sessions.enter(&n.shared, n.sites.get(demoSite), sessionKey{demoSite, 1, "0123456789"}, &claims)
		if err != nil {
			t.Error(err)
		}
		entered <- s
	}()
	stacks := make([]byte, 1<<20)
	until(t, "the page waits", func() bool {
		all := string(stacks[:runtime.Stack(stacks, true)])
		return slices.ContainsFunc(strings.Split(all, "\n\n"), func(of string) bool {
			return strings.Contains(of, "[sync.Mutex.Lock") && strings.Contains(of, ".(*sessions).enter(")
		})
	})
	n.clients.SetMax(limit.Max{MaxBeats: 1})
	n.sessions.mu.Unlock()
	s := <-entered
	if s == nil {
		return
	}
	s.timer.Stop()
	s.mu.Unlock()
	defer n.sessions.forget(s)
	if got := s.beats.Limit(); got != 1 {
		t.Errorf("the page may beat %v times a second, want 1", got)
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
