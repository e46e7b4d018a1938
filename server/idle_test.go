package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// updatedTo matches a frame that updates a client id, and sets entry to the new entry.
func updatedTo(client string, entry *map[string]any) func(frame) bool {
	return func(f frame) bool {
		for _, e := range f.Updated {
			if e["client_id"] == client {
				*entry = e
				return true
			}
		}
		return false
	}
}

// TestPagesReportIdle checks what another page receives when a user becomes idle, continues
// to beat, and becomes active again.
func TestPagesReportIdle(t *testing.T) {
	n := newNode(t)
	alice := n.page(t, 1)
	watching := alice.socket(t)
	watching.beat(1, alice.form(asksPosts))
	p := n.page(t, 2).editing(t, 42, "post", "Hello")
	s := p.socket(t)
	beats := p.pinging("post") + "&data[presence-editor-ping][post_id]=42"
	says := beats + "&idle="
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, says+"0"))
	joined := watching.presence("admin/online", isJoin("user-2")).Joined[0]
	if joined["idle"] != false {
		t.Errorf("joined: %v", joined)
	}
	watching.presence("postType/post:42", isJoin("editor-2"))
	watching.next("nudge")
	status := func(want string) {
		t.Helper()
		if got := activeAnswer(t, watching.beat(2, alice.form(asksPosts))); !strings.Contains(got, `"status":"`+want+`"`) {
			t.Errorf("want %s: %s", want, got)
		}
	}
	until(t, "another second, so that a new date differs", func() bool { return wordpress.Date(n.broker.Now()) != joined["date_gmt"] })
	var entry map[string]any
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, says+"1"))
	for room, client := range map[string]string{"admin/online": "user-2", "postType/post:42": "editor-2"} {
		if watching.presence(room, updatedTo(client, &entry)); entry["idle"] != true || entry["date_gmt"] != joined["date_gmt"] {
			t.Errorf("idle in %s: %v, joined %v", room, entry, joined)
		}
	}
	status("idle")
	tick := s.beat(1, beats)
	if !strings.Contains(tick.Body, `"idle":true`) {
		t.Errorf("a beat makes the user active: %s", tick.Body)
	}
	status("idle")
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, says+"0"))
	for room, client := range map[string]string{"admin/online": "user-2", "postType/post:42": "editor-2"} {
		for entry = nil; entry["idle"] != false; {
			watching.presence(room, updatedTo(client, &entry)) // an update of the date may come first
		}
		if entry["date_gmt"] == joined["date_gmt"] {
			t.Errorf("active in %s: %v", room, entry)
		}
	}
	status("active")
	for _, f := range watching.seen {
		if f.Type == "nudge" {
			t.Error("a page was nudged because a user became idle")
		}
	}
	if f := n.page(t, 3).socket(t); !strings.Contains(fmt.Sprint(f.presence("admin/online", func(f frame) bool { return f.Snapshot != nil }).Snapshot), "idle:false") {
		t.Error("the snapshot of a new page has no idle")
	}
}

// TestHiddenPageBecomesIdle checks that the entry of a hidden page is updated but not
// renewed, and that a hello reports an active user.
func TestHiddenPageBecomesIdle(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 3)
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":"data[presence-ping][screen]=users&has_focus=true&idle=0"}`, p.ticket, p.conn))
	s.next("welcome")
	idle := func(want bool) func() bool {
		return func() bool {
			view, _ := n.sites.configured[demoSite].watch(t.Context())
			entries, _ := view.List(presence.Filter{Room: wordpress.AdminRoom}, 0, 10)
			return len(entries) == 1 && entries[0].Idle != presence.Unreported && entries[0].IsIdle(time.Now()) == want
		}
	}
	until(t, "active", idle(false))
	page := n.sessions.find(sessionKey{demoSite, 3, p.conn})
	s.send(`{"type":"note","body":""}`)
	s.send(`{"type":"note","body":"idle=1"}`)
	until(t, "idle", idle(true))
	page.mu.Lock()
	defer page.mu.Unlock()
	if page.entries[0].Pinged {
		t.Error("the entry of the hidden page is renewed again")
	}
}
