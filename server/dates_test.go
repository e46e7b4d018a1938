package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestDates renews entries. A page that understands dates is sent those that have changed in
// nothing else, or only in idle, as dates; another page is sent the entries.
func TestDates(t *testing.T) {
	n := newNode(t)
	const room = wordpress.AdminRoom
	put := func(user int, date, screen string, idle presence.Activity) {
		k := entryKey(room, user)
		e := presence.Entry{Room: room, ClientID: k.ClientID, UserID: int64(user), DisplayName: "Ada", Data: []byte(`{"screen":"` + screen + `"}`), DateGMT: date, Idle: idle}
		if err := n.broker.Put(k, presence.Stored{Entry: e}); err != nil {
			t.Fatal(err)
		}
	}
	for user := range 4 {
		put(100+user, "2026-11-23 05:20:00", "dashboard", presence.Idle)
	}
	plain, p := n.page(t, 1).socket(t), n.page(t, 2)
	dated, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	dated.send(strings.Replace(p.hello(), `"conn"`, `"dates":true,"conn"`, 1))
	for _, s := range []*socket{plain, dated} {
		s.presence(room, func(f frame) bool { return f.Snapshot != nil })
	}
	put(100, "2026-11-23 05:20:01", "dashboard", presence.Idle)   // only the date
	put(101, "2026-11-23 05:20:01", "dashboard", presence.Active) // and idle
	put(102, "2026-11-23 05:20:01", "posts", presence.Idle)       // and the screen
	put(103, "2026-11-23 05:20:01", "dashboard", presence.Unreported)
	put(104, "2026-11-23 05:20:01", "dashboard", presence.Idle) // a join, which is sent at once
	var dates, updated []string
	dated.presence(room, func(f frame) bool {
		for _, d := range f.Dates {
			dates = append(dates, fmt.Sprint(d))
		}
		for _, e := range f.Updated {
			updated = append(updated, fmt.Sprint(e["client_id"]))
		}
		return f.Joined != nil
	})
	wantSet(t, "dates", dates, "map[client_id:user-100 date_gmt:2026-11-23 05:20:01]", "map[client_id:user-101 date_gmt:2026-11-23 05:20:01 idle:false]")
	wantSet(t, "updated", updated, "user-102", "user-103")
	updated = nil
	plain.presence(room, func(f frame) bool {
		for _, e := range f.Updated {
			updated = append(updated, fmt.Sprint(e["client_id"], e["display_name"]))
		}
		return f.Joined != nil
	})
	wantSet(t, "updated of an older page", updated, "user-100Ada", "user-101Ada", "user-102Ada", "user-103Ada")
}

func wantSet(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestRoomShrinks opens a page in a room with more entries than a snapshot has. When so many have
// left that a snapshot has the others, the page must know them all.
func TestRoomShrinks(t *testing.T) {
	n := newNode(t)
	for user := range presence.MaxListed + 2 {
		n.enter(wordpress.AdminRoom, 100+user, "dashboard")
	}
	s := n.page(t, 1).socket(t)
	if f := s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil }); f.Total != presence.MaxListed+2 {
		t.Fatalf("%d entries at first", f.Total)
	}
	n.exit(wordpress.AdminRoom, 100)
	n.exit(wordpress.AdminRoom, 101)
	isLast := func(f frame) bool { return f.Snapshot != nil && f.Total == presence.MaxListed } // there may be one between the two
	if f := s.presence(wordpress.AdminRoom, isLast); len(f.Snapshot) != presence.MaxListed {
		t.Errorf("a snapshot of %d of %d entries", len(f.Snapshot), f.Total)
	}
	s.seen = nil
	n.exit(wordpress.AdminRoom, 102)
	if f := s.presence(wordpress.AdminRoom, func(frame) bool { return true }); len(f.Left) != 1 {
		t.Errorf("then %+v, want only who has left", f)
	}
}
