package pushtransport

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
)

// TestCalls checks what a renewal names: the rows of connected pages, at most maxRows in a call,
// and apart from these the rows that have changed.
func TestCalls(t *testing.T) {
	b := nodetest.OpenBroker(t, broker.Config{TTL: time.Minute})
	view, err := b.Watch("default", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	entry := func(room, client string, user int64) (presence.Key, presence.Stored) {
		return presence.Key{Site: "default", Room: room, ClientID: client, Conn: "connection"}, presence.Stored{Entry: presence.Entry{UserID: user, Data: json.RawMessage(`{"screen":"x"}`)}}
	}
	for user := int64(1); user <= maxRows+1; user++ {
		b.Hold(entry("admin/online", UserClient(user), user))
	}
	b.Hold(entry("postType/post:5", EditorClient(1), 1))
	idle, value := entry("postType/post:5", EditorClient(2), 2)
	b.Hold(idle, value)
	b.SetIdle(idle)
	b.Hold(entry("postType/post:5", "lock-1", 1))      // not a row of that plugin's pages
	b.Hold(entry("admin/online", UserClient(7000), 1)) // another user's client ID
	k, s := entry("admin/online", UserClient(8000), 8000)
	if err := b.Put(k, s); err != nil { // its page is not connected
		t.Fatal(err)
	}
	changed := map[Key]change{
		{"admin/online", UserClient(1), 1}:       {since: time.Now()},
		{"admin/online", UserClient(8000), 8000}: {since: time.Now()},
		{"admin/online", UserClient(9000), 9000}: {since: time.Now().Add(-10 * time.Second)},
	}
	got := calls(view, job{renew: true, changed: changed}, time.Now())
	if len(got) != 3 || got[0].Renew || len(got[0].Rows) != 1 || len(got[0].Left) != 1 || got[0].Left[0].Age != 10 {
		t.Errorf("the first of %d calls has %d rows and %d that left", len(got), len(got[0].Rows), len(got[0].Left))
	}
	if n := len(got[1].Rows) + len(got[2].Rows); !got[1].Renew || !got[2].Renew || len(got[1].Rows) != maxRows || n != maxRows+3 {
		t.Errorf("%d rows are renewed, want %d", n, maxRows+3)
	}
	for _, r := range slices.Concat(got[1].Rows, got[2].Rows) {
		if r.Idle != (r.Room == idle.Room && r.ClientID == idle.ClientID) {
			t.Errorf("the row %s of %s is idle: %v", r.ClientID, r.Room, r.Idle)
		}
	}
	if got := calls(view, job{changed: map[Key]change{{"a/b", UserClient(9), 9}: {}}}, time.Now()); len(got) != 1 || len(got[0].Left) != 1 {
		t.Errorf("a change: %+v", got)
	}
}
