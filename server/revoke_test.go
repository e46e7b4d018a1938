package server

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestRevokeRoom checks that the pages of a revoked room no longer hear it, until they have
// a newer ticket.
func TestRevokeRoom(t *testing.T) {
	n := newNode(t)
	ed, alice := n.page(t, 2), n.page(t, 1)
	s, other := ed.socket(t), alice.socket(t)
	s.beat(1, ed.form("data%5Bpresence-editor-ping%5D%5Bpost_id%5D=42"))
	other.presence(room42, func(f frame) bool { return len(f.Snapshot)+len(f.Joined) > 0 })
	if status, answer := n.call(t, "/revoke", `{"room":"`+room42+`"}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	for _, page := range []*socket{s, other} {
		if f := page.next("nudge"); f.Spread == 0 {
			t.Error("the nudge has no spread")
		}
	}
	s.seen = nil
	n.enter(room42, 7, "post")
	n.call(t, "/push", `{"to":{"room":"`+room42+`"},"data":1}`)
	n.call(t, "/push", `{"to":{"all":true},"data":"over"}`)
	if f := s.next("push"); string(f.Data) != `"over"` {
		t.Errorf("received %s of the revoked room", f.Data)
	}
	if slices.ContainsFunc(s.seen, func(f frame) bool { return len(f.Joined) > 0 && f.Room == room42 }) {
		t.Error("received a join of the revoked room")
	}
	if f := s.beat(2, ed.pinging("dashboard")); f.Type != "decline" {
		t.Errorf("a beat was answered with %+v, want a decline", f)
	}
	if got := n.online(t, room42); !slices.Contains(got, "editor-2") {
		t.Errorf("in the room: %v", got)
	}

	// A page that connects with an old ticket does not hear the room either.
	_, old, err := n.verifyTicket(ed.ticket)
	if err != nil || slices.Contains(old.Rooms, room42) || old.Native != nil {
		t.Errorf("claims of the old ticket: %+v, %v", old, err)
	}
	old.Rooms = []string{room42}
	fresh, err := ticket.Sign(demoSite, n.demo.Secret(), *old, time.Now().Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s.send(`{"type":"ticket","ticket":"` + fresh + `"}`)
	s.presence(room42, func(f frame) bool { return len(f.Snapshot) > 0 })
}

// TestRevokeAll checks that a revocation of all tickets of a site ends its sessions.
func TestRevokeAll(t *testing.T) {
	n := newNode(t)
	pages := []*socket{n.page(t, 1).socket(t), n.page(t, 2).socket(t)}
	if status, answer := n.call(t, "/revoke", `{"all":true}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	for _, s := range pages {
		if bye, code := s.ended(); code != 4003 || !strings.Contains(bye.Reason, "revoked") {
			t.Errorf("ended with %d %q", code, bye.Reason)
		}
	}
}

// TestClockSetBack checks that after WordPress's clock was set back by ten minutes, a revocation
// ends sessions whose tickets are from before that, and refuses these, and that tickets which are
// issued after a revocation are valid although their time is before it.
func TestClockSetBack(t *testing.T) {
	n := newNode(t)
	now := time.Now()
	sign := func(user string, issued time.Time, serials ...int64) *page {
		t.Helper()
		id, _ := strconv.Atoi(user)
		p := n.page(t, id)
		_, claims, err := n.verifyTicket(p.ticket)
		if err != nil {
			t.Fatal(err)
		}
		c := *claims
		c.Serials = serials
		if p.ticket, err = ticket.Sign(demoSite, n.demo.Secret(), c, issued); err != nil {
			t.Fatal(err)
		}
		return p
	}
	revoke := func(until time.Time, serial int64) {
		t.Helper()
		if status, answer := n.call(t, "/revoke", fmt.Sprintf(`{"user":2,"until_ms":%d,"serial":%d}`, until.UnixMilli(), serial)); status != http.StatusAccepted {
			t.Fatal(status, answer)
		}
	}
	old := sign("2", now, 0, 0)
	s := old.socket(t)
	if f := s.beat(1, old.pinging("dashboard")); f.Type != "tick" {
		t.Fatalf("before: %+v", f)
	}
	revoke(now.Add(-10*time.Minute), 1)
	if bye, code := s.ended(); code != 4003 || !strings.Contains(bye.Reason, "revoked") {
		t.Errorf("ended with %d %q", code, bye.Reason)
	}
	if r := old.post(t, old.pinging("dashboard")); r.StatusCode != http.StatusForbidden {
		t.Errorf("a beat with the old ticket: status %d", r.StatusCode)
	}

	revoke(now, 2)
	until(t, "the second revocation", func() bool {
		_, _, err := n.verifyTicket(sign("2", now, 1, 0).ticket)
		return err != nil
	})
	fresh := sign("2", now.Add(-2*time.Minute), 2, 0)
	if f := fresh.socket(t).beat(1, fresh.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("with a ticket of after the revocation: %+v", f)
	}
	if r := fresh.post(t, fresh.pinging("dashboard")); r.StatusCode != http.StatusOK {
		t.Errorf("a beat with it: status %d", r.StatusCode)
	}
}

// TestCachedTicketOfTheFuture checks that a cached ticket is refused after the clock was set back,
// as one that is not cached.
func TestCachedTicketOfTheFuture(t *testing.T) {
	n := newNode(t)
	raw := n.page(t, 2).ticket
	if _, _, err := n.postedTicket(raw); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // in which it is the year 2000
		if _, _, err := n.postedTicket(raw); err == nil || !strings.Contains(err.Error(), "future") {
			t.Errorf("after the clock was set back: %v", err)
		}
	})
}
