package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
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

// told returns how often a page has been told of a room, at least n times: it waits for these.
func (s *socket) told(room string, n int) int {
	s.t.Helper()
	for {
		told := 0
		for _, f := range s.seen {
			if strings.Contains(string(f.Data), fmt.Sprintf(`"rooms":[%q]`, room)) {
				told++
			}
		}
		if told >= n {
			return told
		}
		s.seen = append(s.seen, s.next("push"))
	}
}

// TestRemovedRow checks that the open pages of a user whose row was removed are told at once, so that
// they write it again, and with all others later, also with those of another node; and that of the row
// of an editor only editors of the post are told at once.
func TestRemovedRow(t *testing.T) {
	a := newNodeOn(t, broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0"})
	b := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + a.broker.ListenAddr()})
	until(t, "the nodes to reach NATS", func() bool { return len(a.Readiness().Reasons) == 0 && len(b.Readiness().Reasons) == 0 })
	own, editor := a.page(t, 2).socket(t), a.page(t, 2).editing(t, 42, "post", "Hello").socket(t)
	other := b.page(t, 1).socket(t)
	wants := []struct {
		room, removed      string
		own, editor, other int
	}{
		{wordpress.AdminRoom, `"user-2","user-2","user-02","user-0","editor-2","x"`, 2, 2, 1},
		{editedRoom, `"editor-2","user-2"`, 1, 2, 1},
	}
	for _, c := range wants {
		start := time.Now()
		if status, answer := a.call(t, "/presence/changed", fmt.Sprintf(`{"site":"demo","rooms":[{"room":%q,"state":"1","removed":[%s]}]}`, c.room, c.removed)); status != 202 {
			t.Fatalf("%d %v", status, answer)
		}
		other.told(c.room, c.other)
		if late := time.Since(start); late < 500*time.Millisecond {
			t.Errorf("a page of another node is told of %s after %v", c.room, late)
		}
		own.told(c.room, c.own)
		editor.told(c.room, c.editor)
	}
	a.call(t, "/push", `{"site":"demo","to":{"all":true},"data":"the end"}`)
	for _, s := range []*socket{own, editor, other} {
		s.news("the end")
	}
	for _, c := range wants {
		if got := []int{own.told(c.room, 0), editor.told(c.room, 0), other.told(c.room, 0)}; !slices.Equal(got, []int{c.own, c.editor, c.other}) {
			t.Errorf("the pages are told %v times of %s, want %d, %d and %d", got, c.room, c.own, c.editor, c.other)
		}
	}
}
