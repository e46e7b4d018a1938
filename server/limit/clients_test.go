package limit

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

func TestAddressOf(t *testing.T) {
	l := New([]netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("fd00::1/128")}, nil)
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
		{"10.0.0.1:5000", []string{"198.51.100.1:4711"}, "198.51.100.1/32"},
		{"10.0.0.1:5000", []string{"[2001:db8::1]:80"}, "2001:db8::/64"},
		{"10.0.0.1:5000", []string{"[2001:db8::1]"}, "2001:db8::/64"},
		{"100.64.0.7:5000", nil, ""},
		{"[::ffff:100.127.0.7]:5000", nil, ""},
		{"100.128.0.7:5000", nil, "100.128.0.7/32"},
		{"10.0.0.1:5000", nil, ""},
		{"@", nil, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		got, known := l.AddressOf(r)
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
		l := New(nil, func(limit string) { refused[limit]++ })
		var office []func()
		for range 2000 {
			release, bye := l.Open(from("198.51.100.1"))
			if bye != nil {
				t.Fatalf("the office: %v", bye)
			}
			office = append(office, release)
		}
		opened := 0
		for range 3 * Defaults.MaxAddressPages {
			if _, bye := l.Open(from("192.0.2.7")); bye == nil {
				opened++
			} else if bye.Code != transport.CodeTooMany || bye.RetryAfter == 0 {
				t.Fatalf("refused with %v", bye)
			}
		}
		if opened != Defaults.MaxAddressPages || refused[Links] != 2*Defaults.MaxAddressPages {
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
		if _, bye := l.Open(from("192.0.2.8")); bye == nil || refused[Opens] != 1 {
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
		l := New(nil, func(string) {})
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
	l := New(nil, func(string) { refused++ })
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

// TestReachedLimitIsLogged checks that a limit which an address reaches is logged once an hour.
func TestReachedLimitIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(nil, func(string) {})
		l.Log = slog.New(slog.NewTextHandler(&out, nil))
		for range 3 {
			for range Defaults.MaxAddressPages + 10 {
				l.Open(from("192.0.2.7"))
			}
			time.Sleep(25 * time.Minute)
		}
		text := out.String()
		if n := strings.Count(text, "too many connections from 192.0.2.7: if it is a web server in front, name it in --trusted-proxy"); n != 1 {
			t.Errorf("logged %d times in 50 minutes: %s", n, text)
		}
		l.Open(from("192.0.2.7"))
		if n := strings.Count(out.String(), "too many connections from"); n != 2 {
			t.Errorf("logged %d times after an hour", n)
		}
	})
}
