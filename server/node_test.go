package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/demosite"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

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

// newNodeOn is newNode with a broker of this configuration.
func newNodeOn(t *testing.T, on broker.Config, configure ...func(*Config)) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := Config{
		Broker: nodetest.OpenBroker(t, on), Demo: demosite.New([]byte("a key for tests")), BasePath: "/heartbeat", Logger: log,
		grace: 100 * time.Millisecond, Scripts: fstest.MapFS{"heartbeat.js": {Data: []byte("// the drop-in")}},
	}
	for _, f := range configure {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	public, admin := nodetest.Serve(t, s)
	return &node{s, public.URL, admin.URL}
}

// page is a browser page of a demo user.
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

// form returns the body of a beat. Fields in more replace the default ones.
func (p *page) form(more ...string) string {
	f := "interval=15&_nonce=" + p.nonce + "&action=heartbeat&screen_id=dashboard&has_focus=true"
	return strings.Join(append(more, f), "&")
}

// pinging returns a beat with presence-ping.
func (p *page) pinging(screen string) string {
	return p.form("data%5Bpresence-ping%5D%5Bscreen%5D=" + url.QueryEscape(screen))
}

// until polls a condition. what names it in the failure.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("timed out waiting for: " + what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
