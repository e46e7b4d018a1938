package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestReportedRooms checks that a report of rooms reaches the pages of users who may edit posts,
// also those that hear none of the rooms, once for each state; and which reports are refused.
func TestReportedRooms(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 2).socket(t)
	report := func(body string) int {
		status, _ := n.call(t, "/presence/changed", body)
		return status
	}
	room := func(name, state string) string {
		return fmt.Sprintf(`{"site":"demo","rooms":[{"room":%q,"state":%q}]}`, name, state)
	}
	for _, body := range []string{room("postType/post:7", "1"), room("postType/post:7", "1"), room("shop/orders", "1")} {
		if status := report(body); status != 202 {
			t.Fatalf("%s: %d", body, status)
		}
	}
	s.news(`"postType/post:7"`)
	s.news(`"shop/orders"`)
	for _, f := range s.seen {
		if f.Type == "push" && (f.Cursor != "" || f.Room != "") {
			t.Errorf("the push has a cursor or a room: %+v", f)
		}
	}
	many := strings.TrimSuffix(strings.Repeat(`{"room":"a/b"},`, 51), ",")
	for _, rooms := range []string{"", many, `{"room":""}`, `{"room":"a/b","expires":-1}`, `{"room":"a/b","removed":[` + strings.Repeat(`"x",`, 50) + `"x"]}`, fmt.Sprintf(`{"room":%q}`, strings.Repeat("x", 192)), fmt.Sprintf(`{"room":"a/b","state":%q}`, strings.Repeat("x", 101))} {
		if status := report(`{"site":"demo","rooms":[` + rooms + `]}`); status != 400 {
			t.Errorf("%.60s: %d, want 400", rooms, status)
		}
	}
}

// TestMissedRooms checks that a page which reconnects is told that rooms have changed meanwhile.
func TestMissedRooms(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Minute })
	p := n.page(t, 2)
	s := p.socket(t)
	n.call(t, "/presence/changed", `{"site":"demo","rooms":[{"room":"a/b","state":"1"}]}`)
	s.news(`"rooms":["a/b"]`)
	other := n.page(t, 1).socket(t)
	for _, missed := range []bool{false, true} {
		_ = s.conn.CloseNow()
		until(t, "the page to be disconnected", func() bool { return !n.sessions.find(sessionKey{demoSite, 2, p.conn}).connected() })
		if missed {
			n.call(t, "/presence/changed", `{"site":"demo","rooms":[{"room":"a/b","state":"2"}]}`)
			other.news(`"rooms":["a/b"]`)
		}
		s = p.socket(t)
		n.call(t, "/push", `{"site":"demo","to":{"all":true},"data":"the end"}`)
		s.news("the end")
		told := false
		for _, f := range s.seen {
			told = told || strings.Contains(string(f.Data), `"rooms":["admin/online"]`)
		}
		if told != missed {
			t.Errorf("missed %v, told %v", missed, told)
		}
	}
}

// TestRemovedRow checks that the open pages of a user whose row was removed are told at once, so that
// they write it again, and with the others later.
func TestRemovedRow(t *testing.T) {
	n := newNode(t)
	own, other := n.page(t, 2).socket(t), n.page(t, 1).socket(t)
	for state, removed := range []string{"", `"user-2","user-02","user-0","editor-2","x"`} {
		own.seen, other.seen = nil, nil
		n.call(t, "/presence/changed", fmt.Sprintf(`{"site":"demo","rooms":[{"room":"admin/online","state":"%d","removed":[%s]}]}`, state, removed))
		own.news(`"rooms":["admin/online"]`)
		other.news(`"rooms":["admin/online"]`)
	}
	n.call(t, "/push", `{"site":"demo","to":{"all":true},"data":"the end"}`)
	own.news("the end")
	told := 0
	for _, f := range own.seen {
		if strings.Contains(string(f.Data), `"rooms":["admin/online"]`) {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times, want 2", told)
	}
}
