package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// frontNode is a node in front of a WordPress that is a handler.
func frontNode(t *testing.T, wordpress http.HandlerFunc, configure ...func(*Config)) *node {
	t.Helper()
	up := httptest.NewServer(wordpress)
	t.Cleanup(up.Close)
	return newNode(t, append([]func(*Config){func(c *Config) {
		c.Demo = nil
		c.Sites = []Site{{ID: "default", Secrets: []string{"secret"}, Upstream: up.URL}}
	}}, configure...)...)
}

func send(t *testing.T, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(b)
}

// TestFrontPassesOn gives WordPress every request as it came.
func TestFrontPassesOn(t *testing.T) {
	n := frontNode(t, func(w http.ResponseWriter, r *http.Request) {
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
		r, body := send(t, method, n.url+AjaxPath+"?z=%2F&b=x;y&a=100%&c=%zz", "action=heartbeat&x=ü", header)
		want := method + " " + AjaxPath + "?z=%2F&b=x;y&a=100%&c=%zz host=example.org for=127.0.0.1 proto=http cookie=a=b hop="
		if r.StatusCode != 302 || r.Header.Get("X-Saw") != want || body != "action=heartbeat&x=ü" {
			t.Errorf("%s: %d %q %s\nwant %s", method, r.StatusCode, body, r.Header.Get("X-Saw"), want)
		}
	}
	trusting := frontNode(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"])
	}, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	if _, body := send(t, "GET", trusting.url+AjaxPath, "", header); body != "[10.9.8.7, 127.0.0.1] [https]" {
		t.Errorf("behind a trusted proxy: %s", body)
	}
}

// TestFrontAnswersBeats answers what it can by the ticket, and leaves the rest.
func TestFrontAnswersBeats(t *testing.T) {
	asked := ""
	n := frontNode(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
	})
	claims := claimsFor("1")
	claims.FreshUntil = time.Now().Add(time.Hour).Unix()
	claims.Nonce = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9" // of "0"
	claims.RegisteredClaims = jwt.RegisteredClaims{Subject: "1"}
	ticket, err := SignTicket("default", "secret", claims, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Heartbeat-Ticket": {ticket}, "Content-Type": {"application/x-www-form-urlencoded"}}
	r, body := send(t, "POST", n.url+AjaxPath, "action=heartbeat&_nonce=0", header)
	if r.StatusCode != 200 || asked != "" || body != `{"success":false}` {
		t.Errorf("a beat: %d %s, WordPress was asked %q", r.StatusCode, body, asked)
	}
	for _, beat := range []string{"action=heartbeat&_nonce=1", "action=heartbeat&_nonce=0&data[theirs]=1", "action=other"} {
		if send(t, "POST", n.url+AjaxPath, beat, header); asked != beat {
			t.Errorf("of %s WordPress was asked %q", beat, asked)
		}
	}
}

// TestFrontStreams brings the first line of an answer before the last is written.
func TestFrontStreams(t *testing.T) {
	release := make(chan struct{})
	n := frontNode(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "last\n")
	})
	r, err := http.Get(n.url + AjaxPath)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewScanner(r.Body)
	if !lines.Scan() || lines.Text() != "first" {
		t.Errorf("first came %q", lines.Text())
	}
	close(release)
	if !lines.Scan() || lines.Text() != "last" {
		t.Errorf("then came %q", lines.Text())
	}
}

// TestFrontBounds lets no more through than the upstream's slots.
func TestFrontBounds(t *testing.T) {
	n := frontNode(t, func(http.ResponseWriter, *http.Request) {})
	up := n.sites["default"].upstream
	up.wait = 20 * time.Millisecond
	if err := up.slots.Acquire(t.Context(), maxUpstream); err != nil {
		t.Fatal(err)
	}
	if r, _ := send(t, "GET", n.url+AjaxPath, "", nil); r.StatusCode != 504 {
		t.Errorf("with every slot taken: %d", r.StatusCode)
	}
	up.slots.Release(maxUpstream)
	for range maxUpstream + 1 { // each request gives its slot back
		if r, _ := send(t, "GET", n.url+AjaxPath, "", nil); r.StatusCode != 200 {
			t.Fatalf("with free slots: %d", r.StatusCode)
		}
	}
}

// TestFrontWithoutWordPress says who failed, so that a web server asks PHP.
func TestFrontWithoutWordPress(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	n := newNode(t, func(c *Config) {
		c.Demo = nil
		c.Sites = []Site{{ID: "default", Secrets: []string{"secret"}, Upstream: gone.URL}}
	})
	if r, _ := send(t, "POST", n.url+AjaxPath, "", nil); r.StatusCode != 502 {
		t.Errorf("status %d, want 502", r.StatusCode)
	}
	n.sites["default"].upstream.proxy.Transport.(*http.Transport).ResponseHeaderTimeout = 20 * time.Millisecond
	slow := frontNode(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	slow.sites["default"].upstream.proxy.Transport.(*http.Transport).ResponseHeaderTimeout = 20 * time.Millisecond
	if r, _ := send(t, "GET", slow.url+AjaxPath, "", nil); r.StatusCode != 504 {
		t.Errorf("status %d, want 504", r.StatusCode)
	}
	for _, bad := range []string{"ftp://x", "http://", "127.0.0.1:80", "http://x/path"} {
		if _, err := newUpstream(bad, nil, n.log); err == nil {
			t.Errorf("the upstream %q was taken", bad)
		}
	}
}
