package pushtransport

import (
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
