package pushtransport

import (
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestRefusedRowIsWrittenLater checks that the row of a page is written by a later update when the
// budget of its site has allowed no more entries at first.
func TestRefusedRowIsWrittenLater(t *testing.T) {
	b := nodetest.OpenBroker(t, broker.Config{TTL: time.Minute})
	view, err := b.Watch("default", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	s := Session{
		Broker: b, View: view, State: new(State), Site: "default", Conn: "connection", Connected: true, Wake: func() {},
		Claims: &ticket.Claims{Rows: "https://example.org/rows"}, User: &hook.User{ID: 2, EditPosts: true},
	}
	const all = 1 << 30
	b.Budgets().Entries.Add("default", all)
	var p Page
	p.Show(s, true, true)
	if shown := view.Shown(presence.Filter{}); len(shown) != 0 {
		t.Fatalf("above the budget: %+v", shown)
	}
	b.Budgets().Entries.Give("default", all)
	for range 2 {
		p.Update(s)
		if shown := view.Shown(presence.Filter{}); len(shown) != 1 || shown[0].ClientID != UserClient(2) {
			t.Errorf("after an update: %+v", shown)
		}
	}
}

// TestLeave checks that the rows of a page leave in the way that the session says.
func TestLeave(t *testing.T) {
	s := Session{
		Broker: nodetest.OpenBroker(t, broker.Config{TTL: time.Minute}), State: new(State), Site: "default", Conn: "connection", Connected: true,
		Claims: &ticket.Claims{Rows: "https://example.org/rows"}, User: &hook.User{ID: 2, EditPosts: true}, Wake: func() {},
	}
	view, err := s.Broker.Watch("default", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	var p Page
	p.Show(s, true, true)
	s.Connected = false
	var left []string
	p.Leave(s, time.Now(), func(k presence.Key) { left = append(left, k.ClientID) })
	if want := []string{UserClient(2)}; !slices.Equal(left, want) {
		t.Errorf("%q leave, want %q", left, want)
	}
	if shown := view.Shown(presence.Filter{}); len(shown) != 1 {
		t.Errorf("the row was removed in another way: %+v", shown)
	}
}

// TestReturningPageTakesRowsOver has a page that moves from a node to another one and back, while
// its first session lasts. The rows are then of the first node again, although they are the same.
func TestReturningPageTakesRowsOver(t *testing.T) {
	one := nodetest.OpenBroker(t, broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0", Node: "one"})
	two := nodetest.OpenBroker(t, broker.Config{TTL: time.Minute, URL: "nats://" + one.ListenAddr(), Node: "two"})
	var views []*broker.View
	for _, b := range []*broker.Broker{one, two} {
		view, err := b.Watch("default", func(presence.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(view.Close)
		views = append(views, view)
	}
	session := func(b *broker.Broker) Session {
		return Session{
			Broker: b, State: new(State), Site: "default", Conn: "connection", Connected: true, Wake: func() {}, Arrival: b.Arrive(),
			Claims: &ticket.Claims{Rows: "https://example.org/rows"}, User: &hook.User{ID: 2, EditPosts: true},
		}
	}
	are := func(node string) bool { // on both nodes: each shows its own entry before it is written
		return !slices.ContainsFunc(views, func(v *broker.View) bool {
			shown := v.Shown(presence.Filter{})
			return len(shown) != 1 || shown[0].Node != node
		})
	}
	var onOne, onTwo Page
	for _, visit := range []struct {
		page   *Page
		broker *broker.Broker
		node   string
	}{{&onOne, one, "one"}, {&onTwo, two, "two"}, {&onOne, one, "one"}} {
		visit.page.Show(session(visit.broker), true, false)
		for deadline := time.Now().Add(10 * time.Second); !are(visit.node); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the rows are not of node %s", visit.node)
			}
		}
	}
}
