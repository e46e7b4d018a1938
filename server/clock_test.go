package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestNodeWithWrongClock has a node whose clock is two minutes behind that of NATS, and another
// one whose clock is right. What the first one writes has the time of NATS, and both show its user
// as active at first.
func TestNodeWithWrongClock(t *testing.T) {
	nats := nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0", TTL: time.Minute})
	address := nodetest.ShiftNATSClock(t, nats.ListenAddr(), 2*time.Minute)
	n := newNodeOn(t, broker.Config{URL: "nats://" + address, TTL: time.Minute})
	p := n.page(t, 2)
	p.socket(t).beat(1, p.pinging("dashboard"))
	view, err := n.sites.get(demoSite).open()
	if err != nil {
		t.Fatal(err)
	}
	shown := view.Shown(presence.Filter{Room: wordpress.AdminRoom})
	right := time.Now().Add(2 * time.Minute)
	if len(shown) != 1 || shown[0].DateGMT > wordpress.Date(right) || shown[0].DateGMT < wordpress.Date(right.Add(-30*time.Second)) {
		t.Errorf("the entry is %+v, want about the date %s", shown, wordpress.Date(right))
	}
	if len(shown) == 1 && (shown[0].IsIdle(n.broker.Now()) || !shown[0].IsIdle(n.broker.Now().Add(time.Minute))) {
		t.Error("idle at the wrong time")
	}
	_, metrics := nodetest.Send(t, "GET", n.admin+"/metrics", "", nil)
	if !strings.Contains(metrics, `heartbeatd_clock_offset_seconds{peer="nats"} 1`) || !strings.Contains(metrics, `heartbeatd_clock_offset_seconds{peer="wordpress"} 0`) {
		t.Error("the metrics lack the difference of the clocks") // 119.9 or 120
	}
	differences := n.clocks.Differences()
	if len(differences) != 1 || !strings.Contains(differences[0].String(), "The clock of NATS is ") {
		t.Errorf("reported: %v", differences)
	}
}

// ahead gives a page a ticket of a WordPress whose clock is two minutes ahead.
func (p *page) ahead(t *testing.T, change func(*ticket.Claims)) *page {
	t.Helper()
	_, claims, err := p.node.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	c := *claims
	change(&c)
	if p.ticket, err = ticket.Sign(demoSite, p.node.demo.Secret(), c, time.Now().Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCallsHaveTimeOfWordPress checks that a WordPress whose clock is two minutes ahead accepts
// the keys of calls, and gets dates by its own clock.
func TestCallsHaveTimeOfWordPress(t *testing.T) {
	n := syncing(t, broker.Config{}, 200*time.Millisecond)
	keys := make(chan string, 100)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there := time.Now().Add(2 * time.Minute)
		key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		_, err := jwt.Parse(key, func(*jwt.Token) (any, error) { return []byte(n.demo.Secret()), nil },
			jwt.WithIssuedAt(), jwt.WithLeeway(10*time.Second), jwt.WithTimeFunc(func() time.Time { return there }))
		var call syncCall
		if decoded := json.NewDecoder(r.Body).Decode(&call); err == nil {
			err = decoded
		}
		if e := call.entry(wordpress.AdminRoom, "user-2"); err == nil && e != nil && e.DateGMT < wordpress.Date(there.Add(-10*time.Second)) {
			err = errors.New("the date is " + e.DateGMT)
		}
		select {
		case keys <- fmt.Sprint(r.URL.Path, " ", err):
		default:
		}
		_, _ = w.Write([]byte(`{"entries":[],"rooms":[]}`))
	}))
	t.Cleanup(site.Close)
	s := n.page(t, 2).ahead(t, func(c *ticket.Claims) { c.Sync, c.Rows = site.URL+"/sync", site.URL+"/rows" }).visible(t)
	s.send(`{"type":"note","body":"idle=0"}`)
	for _, want := range []string{"/sync", "/rows"} {
		for got := ""; !strings.HasPrefix(got, want); {
			if got = <-keys; !strings.HasSuffix(got, " <nil>") {
				t.Fatal(got)
			}
		}
	}
}

// TestOperatorRevokesByTimeOfWordPress checks that the operator's revocation covers a ticket of a
// WordPress whose clock is ahead.
func TestOperatorRevokesByTimeOfWordPress(t *testing.T) {
	n := newNode(t, func(c *Config) { c.APIKey = "operator" })
	p := n.page(t, 2).ahead(t, func(*ticket.Claims) {})
	p.socket(t)
	if status, answer := n.callWith(t, "operator", "/revoke", `{"site":"`+demoSite+`","user":2}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	until(t, "the ticket is revoked", func() bool {
		_, _, err := n.verifyTicket(p.ticket)
		return err != nil
	})
}

// TestRowsOfNodeWithWrongClock has a node whose clock is two minutes ahead of that of NATS. It
// takes the report that the rows of its pages were renewed as a new one.
func TestRowsOfNodeWithWrongClock(t *testing.T) {
	nats := nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0", TTL: time.Minute})
	address := nodetest.ShiftNATSClock(t, nats.ListenAddr(), -2*time.Minute)
	n := newNodeOn(t, broker.Config{URL: "nats://" + address, TTL: time.Minute})
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	w.fails = true // another node renews the rows
	w.on(t, n, "dashboard").visible(t)
	data, err := json.Marshal(message.Message{Kind: message.Renewed, LivesMS: 150_000})
	if err != nil {
		t.Fatal(err)
	}
	n.replay.receive(broker.Message{Site: demoSite, Stored: n.broker.Now(), Data: data})
	until(t, "the rows are held", n.sites.get(demoSite).held.Told)
}
