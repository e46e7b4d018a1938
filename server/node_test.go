package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/demosite"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(closingIdle{m}, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// closingIdle closes idle connections after the tests.
type closingIdle struct{ *testing.M }

func (m closingIdle) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return m.M.Run()
}

// demoSite is the id of the demo site.
const demoSite = demosite.ID

// node is a whole heartbeatd with the demo site, on a free port.
type node struct {
	*Server
	url   string
	admin string
}

func newNode(t *testing.T, configure ...func(*Config)) *node {
	t.Helper()
	return newNodeOn(t, broker.Config{TTL: time.Minute}, configure...)
}

// newNodeOn is a node with another broker than one of its own.
func newNodeOn(t *testing.T, on broker.Config, configure ...func(*Config)) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Broker: b, Demo: demosite.New([]byte("a key for tests")), BasePath: "/heartbeat", Logger: log,
		grace: 100 * time.Millisecond, Scripts: fstest.MapFS{"heartbeat.js": {Data: []byte("// the drop-in")}},
	}
	for _, f := range configure {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	public, admin := httptest.NewServer(s.Public()), httptest.NewServer(s.Admin())
	t.Cleanup(func() {
		public.CloseClientConnections()
		s.Close()
		public.Close()
		admin.Close()
		if err := b.Close(); err != nil {
			t.Errorf("closing the broker: %v", err)
		}
	})
	return &node{s, public.URL, admin.URL}
}

// page is a browser page of a demo user: what it carries, and its cookie.
type page struct {
	node   *node
	http   *http.Client
	nonce  string
	ticket string
	conn   string
}

func (n *node) page(t *testing.T, user int) *page {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	p := &page{node: n, http: &http.Client{Jar: jar, Transport: &http.Transport{}}, conn: rand.Text()}
	t.Cleanup(p.http.CloseIdleConnections)
	r, err := p.http.Get(fmt.Sprintf("%s/demo/settings?user=%d", n.url, user))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var s demosite.Settings
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	p.nonce, p.ticket = s.Nonce, s.Heartbeatd.Ticket
	return p
}

// form is the body of a beat, with more fields in place of the usual ones.
func (p *page) form(more ...string) string {
	f := "interval=15&_nonce=" + p.nonce + "&action=heartbeat&screen_id=dashboard&has_focus=true"
	return strings.Join(append(more, f), "&")
}

// pinging is a beat that says where the page is.
func (p *page) pinging(screen string) string {
	return p.form("data%5Bpresence-ping%5D%5Bscreen%5D=" + url.QueryEscape(screen))
}

// until polls a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 10 s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
