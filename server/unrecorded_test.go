package server

import (
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestUnrecorded checks that a page whose ticket says that its user's presence is not recorded
// enters no room, by beats, notes and POST, and still sees who is there.
func TestUnrecorded(t *testing.T) {
	n := newNode(t)
	n.enter(wordpress.AdminRoom, 1, "dashboard")
	p := n.page(t, 2).editing(t, 99, "page", "Hidden").withClaims(t, func(c *ticket.Claims) { c.Unrecorded = true })
	handles := []string{handle("presence-ping", "screen", "dashboard"), handle("presence-editor-ping", "post_id", "99")}
	s := p.socket(t)
	s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil })
	s.note(p, handles...)
	if f := s.beat(1, p.form(handles...)); f.Type != "tick" || !strings.Contains(f.Body, `"user_id":1`) || strings.Contains(f.Body, `"user_id":2`) {
		t.Errorf("the tick is %s %s", f.Type, f.Body)
	}
	if got := text(p.post(t, p.form(handles...))); !strings.Contains(got, "presence-online") {
		t.Errorf("the tick of a POST is %s", got)
	}
	if a := n.presence(t, "GET", "user_id=2", ""); len(a.entries) != 0 {
		t.Errorf("it has the entries %s", a.text)
	}
}

// TestNoLocations checks that a page whose user may not see where others are gets no presence of
// the admin, neither in frames nor in ticks, and still gets pushes.
func TestNoLocations(t *testing.T) {
	n := newNode(t)
	n.enter(wordpress.AdminRoom, 1, "dashboard")
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.NoLocations = true })
	s := p.socket(t)
	if f := s.beat(1, p.pinging("dashboard")); f.Type != "tick" || strings.Contains(f.Body, "presence-online") {
		t.Errorf("the tick is %s %s", f.Type, f.Body)
	}
	if got := text(p.post(t, p.pinging("dashboard"))); !strings.Contains(got, "server_time") || strings.Contains(got, "presence-online") {
		t.Errorf("the tick of a POST is %s", got)
	}
	n.enter(wordpress.AdminRoom, 3, "dashboard")
	n.pushed(t, `{"room":"admin/online"}`, `"over"`)
	s.news("over")
	for _, f := range s.seen {
		if f.Type == "presence" && f.Room == wordpress.AdminRoom {
			t.Errorf("it gets presence of %s", f.Room)
		}
	}
}
