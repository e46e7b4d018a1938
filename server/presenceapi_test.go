package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// presenceAnswer is a response of /api/v1/presence.
type presenceAnswer struct {
	status  int
	text    string
	entries []presence.Entry // of a GET
}

// presence calls /api/v1/presence with a key of the demo site.
func (n *node) presence(t *testing.T, method, query, body string) (a presenceAnswer) {
	t.Helper()
	key := nodetest.SignKey(t, demoSite, n.demo.Secret(), time.Now(), time.Minute, "api")
	r, text := nodetest.Send(t, method, n.admin+"/api/v1/presence?"+query, body, http.Header{"Authorization": {"Bearer " + key}})
	a.status, a.text = r.StatusCode, text
	if a.status == 200 && method == "GET" {
		if err := json.Unmarshal([]byte(text), &a.entries); err != nil {
			t.Fatalf("%s ?%s: %d %q", method, query, a.status, text)
		}
	}
	return a
}

func putBody(room, id string, user int, data string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]any{"room": room, "client_id": id, "user_id": user, "display_name": "Ada",
		"avatar_url": "https://example.org/a.png", "data": json.RawMessage(data)})
	return b.String()
}

// TestPagesReceiveEntriesOfAPI checks the frames that pages get when the API writes and deletes
// an entry. Package restapi tests the answers of the API.
func TestPagesReceiveEntriesOfAPI(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 1).socket(t)
	s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil })
	if a := n.presence(t, "PUT", "", putBody(wordpress.AdminRoom, "user-7", 7, `{}`)); a.status != 200 {
		t.Fatalf("PUT: %d %s", a.status, a.text)
	}
	if f := s.presence(wordpress.AdminRoom, func(frame) bool { return true }); len(f.Joined) != 1 || f.Joined[0]["client_id"] != "user-7" {
		t.Errorf("a page received %+v, want the join", f)
	}
	n.presence(t, "DELETE", "room="+wordpress.AdminRoom+"&client_id=user-7", "")
	if f := s.presence(wordpress.AdminRoom, func(frame) bool { return true }); len(f.Left) != 1 {
		t.Errorf("a page received %+v, want the leave", f)
	}
}

// TestDeletedEntryReturnsWithPing deletes the entry of a page with a link. It must return
// with the page's next ping, and not before.
func TestDeletedEntryReturnsWithPing(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	n.presence(t, "DELETE", "user_id=2", "")
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("after the DELETE: %s", a.text)
	}
	s.beat(2, p.form()) // without a ping
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("after a beat without a ping: %s", a.text)
	}
	s.beat(3, p.pinging("dashboard"))
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 {
		t.Errorf("after a ping: %s", a.text)
	}
}

// TestPutForAPage has PHP write the entry of a page. As long as the page's link renews the
// entry, the write is ignored.
func TestPutForAPage(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	put := func() {
		t.Helper()
		if a := n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	screen := func() string { return string(n.presence(t, "GET", "room=admin/online", "").entries[0].Data) }
	put()
	if got := screen(); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP replaced the entry of a page with a link: %s", got)
	}
	page := n.sessions.find(sessionKey{demoSite, 2, p.conn})
	_ = s.conn.CloseNow()
	until(t, "the end of the link", func() bool { return !page.connected() })
	put()
	if got := screen(); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP replaced the entry of a page that was just closed: %s", got)
	}
	page.mu.Lock()
	page.disconnectedAt = page.disconnectedAt.Add(-n.shared.grace)
	page.mu.Unlock()
	put()
	if got := screen(); !strings.Contains(got, "php") {
		t.Errorf("PHP cannot write for a page without a link: %s", got)
	}
	page.end(nil) // as the end of the grace period does
	if got := n.presence(t, "GET", "", ""); len(got.entries) != 1 {
		t.Errorf("the end of the session removed PHP's entry: %s", got.text)
	}
}

// TestPutForAPageElsewhere has PHP write to one node the entry of a page that is connected
// to another.
func TestPutForAPageElsewhere(t *testing.T) {
	here := newNodeOn(t, broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0"})
	there := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + here.broker.ListenAddr()}, func(c *Config) { c.Demo = here.demo })
	p := there.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	screen := func(n *node) string {
		a := n.presence(t, "GET", "room=admin/online", "")
		if len(a.entries) == 0 {
			return ""
		}
		return string(a.entries[0].Data)
	}
	until(t, "the page on the other node", func() bool { return strings.Contains(screen(here), "dashboard") })
	if a := here.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if got := screen(here); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP replaced the entry of a page with a link to another node: %s", got)
	}
	s.send(`{"type":"leave"}`)
	for _, n := range []*node{there, here} {
		until(t, "the leave of the page", func() bool { return screen(n) == "" })
		n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`"}`)
		if got := screen(n); got != "" {
			t.Errorf("PHP's late write brought back the entry of a page that left: %s", got)
		}
	}
}
