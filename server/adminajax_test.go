package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// proxyNode starts a node whose upstream is a handler.
func proxyNode(t *testing.T, wordpress http.HandlerFunc, configure ...func(*Config)) *node {
	t.Helper()
	up := httptest.NewServer(wordpress)
	t.Cleanup(up.Close)
	return newNode(t, append([]func(*Config){func(c *Config) {
		c.Demo = nil
		c.Sites = []Site{{ID: "default", Secrets: []string{"secret"}, Upstream: up.URL}}
	}}, configure...)...)
}

// TestProxyPassesOn checks that WordPress gets every request unchanged.
func TestProxyPassesOn(t *testing.T) {
	n := proxyNode(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.Header().Set("X-Saw", fmt.Sprintf("%s %s host=%s for=%s proto=%s cookie=%s hop=%s",
			r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Cookie"), r.Header.Get("X-Hop")))
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write(body)
	})
	header := http.Header{
		"Host": {"example.org"}, "Cookie": {"a=b"}, "X-Forwarded-For": {"10.9.8.7"}, "X-Forwarded-Proto": {"https"},
		"Connection": {"X-Hop"}, "X-Hop": {"secret"}, "Content-Type": {"application/x-www-form-urlencoded"},
	}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
		r, body := nodetest.Send(t, method, n.url+wordpress.AjaxPath+"?z=%2F&b=x;y&a=100%&c=%zz", "action=heartbeat&x=ü", header)
		want := method + " " + wordpress.AjaxPath + "?z=%2F&b=x;y&a=100%&c=%zz host=example.org for=127.0.0.1 proto=http cookie=a=b hop="
		if r.StatusCode != 302 || r.Header.Get("X-Saw") != want || body != "action=heartbeat&x=ü" {
			t.Errorf("%s: %d %q %s\nwant %s", method, r.StatusCode, body, r.Header.Get("X-Saw"), want)
		}
	}
	trusting := proxyNode(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"])
	}, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	if _, body := nodetest.Send(t, "GET", trusting.url+wordpress.AjaxPath, "", header); body != "[10.9.8.7, 127.0.0.1] [https]" {
		t.Errorf("behind a trusted proxy: %s", body)
	}
}

// TestProxyAnswersBeats checks that beats which the ticket allows are answered, and
// that WordPress gets the others.
func TestProxyAnswersBeats(t *testing.T) {
	upstream := "" // the body of the last request to WordPress
	n := proxyNode(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		upstream = string(body)
	})
	claims := claimsFor("1")
	claims.FreshUntil = time.Now().Add(time.Hour).Unix()
	claims.Nonce = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9" // of "0"
	claims.RegisteredClaims = jwt.RegisteredClaims{Subject: "1"}
	signed, err := ticket.Sign("default", "secret", claims, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Heartbeat-Ticket": {signed}, "Content-Type": {"application/x-www-form-urlencoded"}}
	r, body := nodetest.Send(t, "POST", n.url+wordpress.AjaxPath, "action=heartbeat&_nonce=0", header)
	if r.StatusCode != 200 || upstream != "" || body != `{"success":false}` {
		t.Errorf("a beat: %d %s, WordPress got %q", r.StatusCode, body, upstream)
	}
	for _, beat := range []string{"action=heartbeat&_nonce=1", "action=heartbeat&_nonce=0&data[theirs]=1", "action=other"} {
		if nodetest.Send(t, "POST", n.url+wordpress.AjaxPath, beat, header); upstream != beat {
			t.Errorf("%s: WordPress got %q", beat, upstream)
		}
	}
}
