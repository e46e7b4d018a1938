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
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/transport"
)

// behindProxy trusts the tests themselves as a web server.
func behindProxy(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestAddressOf(t *testing.T) {
	l := newClients([]netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("fd00::1/128")})
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string // empty: unknown
	}{
		{"192.0.2.7:5000", nil, "192.0.2.7/32"},
		{"192.0.2.7:5000", []string{"198.51.100.1"}, "192.0.2.7/32"}, // a client cannot choose its address
		{"[2001:db8:1:2:3:4:5:6]:5000", nil, "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.7]:5000", nil, "192.0.2.7/32"},
		{"127.0.0.1:5000", []string{"198.51.100.1"}, ""}, // a web server that is not trusted
		{"10.0.0.2:5000", []string{"198.51.100.1"}, ""},
		{"10.0.0.1:5000", []string{"198.51.100.1"}, "198.51.100.1/32"},
		{"10.0.0.1:5000", []string{"6.6.6.6, 198.51.100.1"}, "198.51.100.1/32"},
		{"10.0.0.1:5000", []string{"6.6.6.6", "198.51.100.1,203.0.113.9"}, "198.51.100.1/32"},
		{"10.0.0.1:5000", []string{"198.51.100.1, somebody"}, ""},
		{"10.0.0.1:5000", []string{"2001:db8::1"}, "2001:db8::/64"},
		{"[fd00::1]:5000", []string{"192.168.7.7"}, "192.168.7.7/32"},
		{"10.0.0.1:5000", nil, ""},
		{"@", nil, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		got, known := l.addressOf(r)
		if known != (c.want != "") || known && got.String() != c.want {
			t.Errorf("%s, forwarded for %q: %s, %v, want %q", c.peer, c.forwarded, got, known, c.want)
		}
	}
}

// from returns a request of an address.
func from(address string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = address + ":5000"
	return r
}

// TestOpensOfAnAddress checks that an office of 200 people with ten tabs each, which all
// come back at once, opens its links, and that an attacker's address is refused without
// harm to others.
func TestOpensOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := map[string]int{}
		l := newClients(nil)
		l.limited = func(limit string) { refused[limit]++ }
		var office []func()
		for range 2000 {
			release, bye := l.Open(from("198.51.100.1"))
			if bye != nil {
				t.Fatalf("the office: %v", bye)
			}
			office = append(office, release)
		}
		opened := 0
		for range 3 * maxLinks {
			if _, bye := l.Open(from("192.0.2.7")); bye == nil {
				opened++
			} else if bye.Code != transport.CodeTooMany || bye.RetryAfter == 0 {
				t.Fatalf("refused with %v", bye)
			}
		}
		if opened != maxLinks || refused[limitLinks] != 2*maxLinks {
			t.Errorf("%d opened, refused %v", opened, refused)
		}
		for _, release := range office {
			release()
		}
		for range openBurst {
			if release, bye := l.Open(from("192.0.2.8")); bye == nil {
				release()
			}
		}
		if _, bye := l.Open(from("192.0.2.8")); bye == nil || refused[limitOpens] != 1 {
			t.Errorf("more than the burst: %v, %v", bye, refused)
		}
		if _, bye := l.Open(from("198.51.100.1")); bye != nil {
			t.Errorf("another address: %v", bye)
		}
		time.Sleep(time.Second)
		if _, bye := l.Open(from("192.0.2.8")); bye != nil {
			t.Errorf("a second later: %v", bye)
		}
	})
}

// TestClientsAreForgotten checks that the addresses of which a node knows are bounded, and
// that those which use nothing are removed.
func TestClientsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newClients(nil)
		l.limited = func(string) {}
		for i := range maxClients + 10 {
			release, bye := l.Open(from(fmt.Sprintf("[2001:db8:%x:%x::1]", i>>16, i&0xffff)))
			if bye != nil {
				t.Fatal(bye)
			}
			release()
		}
		if len(l.known) > maxClients {
			t.Errorf("%d addresses are known", len(l.known))
		}
		time.Sleep(time.Minute)
		l.Quota(from("192.0.2.7"))
		if len(l.known) != 1 {
			t.Errorf("%d addresses are known after a minute", len(l.known))
		}
	})
}

// TestBodiesOfAnAddress checks that one address cannot take the memory for bodies of the
// others.
func TestBodiesOfAnAddress(t *testing.T) {
	refused := 0
	l := newClients(nil)
	l.limited = func(string) { refused++ }
	q := l.Quota(from("192.0.2.7"))
	if !q.Take(maxClientBodies) || q.Take(1) || refused != 1 {
		t.Errorf("an address has %d bytes, %d refused", q.Used(), refused)
	}
	if q != l.Quota(from("192.0.2.7")) || !l.Quota(from("192.0.2.8")).Take(maxClientBodies) {
		t.Error("another address gets none")
	}
	if used := l.bodies.Used(); used != 2*maxClientBodies {
		t.Errorf("%d bytes are taken of all", used)
	}
}

// TestLimitsThroughAProxy opens WebSockets and sessions for one address, behind a trusted
// web server, up to the limit.
func TestLimitsThroughAProxy(t *testing.T) {
	n := newNode(t, behindProxy)
	p := n.page(t, 1)
	header := http.Header{"X-Forwarded-For": {"192.0.2.7"}}
	n.clients.mu.Lock()
	n.clients.get(netip.MustParsePrefix("192.0.2.7/32")).links = maxLinks - 2
	n.clients.mu.Unlock()
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
	l := n.LimitConnections(inner, 2)
	web := &http.Server{Handler: n.Public()}
	done := make(chan error, 1)
	go func() { done <- web.Serve(l) }()
	defer func() {
		_ = web.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	connect := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	works := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET /heartbeat/heartbeat.js HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := c.Read(make([]byte, 12))
		return n == 12
	}
	first, second := connect(), connect()
	if !works(first) || !works(second) {
		t.Fatal("the connections within the limit do not work")
	}
	if works(connect()) {
		t.Error("a connection above the limit works")
	}
	if got := n.clients.connections(); got != 2 {
		t.Errorf("%d connections count", got)
	}
	_ = first.Close()
	until(t, "another connection works", func() bool { return works(connect()) })
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
