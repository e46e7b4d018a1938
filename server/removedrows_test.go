package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const editedRoom = "postType/post:42"

// editor opens a page that edits the post of editedRoom.
func (n *node) editor(t *testing.T, w *table) *socket {
	t.Helper()
	p := n.page(t, 2).editing(t, 42, "post", "Hello").withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s := p.socket(t)
	s.beat(1, p.pinging("post")+"&"+handle("presence-editor-ping", "post_id", "42"))
	return s
}

// removeRows reports that PHP has removed the rows of such a page.
func (n *node) removeRows(t *testing.T) {
	t.Helper()
	rooms := fmt.Sprintf(`{"room":%q,"removed":["user-2"]},{"room":%q,"removed":["other","editor-2"]}`, wordpress.AdminRoom, editedRoom)
	if status, answer := n.call(t, "/presence/changed", `{"site":"demo","rooms":[`+rooms+`]}`); status != 202 {
		t.Fatalf("%d %v", status, answer)
	}
}

// TestRemovedRows checks that the entries of a page that is closed, and whose rows PHP has removed,
// are removed long before the end of the grace period. Those of an open page stay, and in the admin
// those of a user who has another page.
func TestRemovedRows(t *testing.T) {
	n := syncing(t, broker.Config{}, time.Minute)
	n.shared.grace = time.Minute
	w := newTable(t, n.demo.Secret())
	are := func(inAdmin, inPost int) func() bool {
		return func() bool {
			return len(n.online(t, wordpress.AdminRoom)) == inAdmin && len(n.online(t, editedRoom)) == inPost
		}
	}
	s := n.editor(t, w)
	n.removeRows(t)
	_ = s.conn.CloseNow() // the report may come before the end of the connection
	until(t, "the entry in the post's room to go", are(1, 0))
	until(t, "the entry in the admin to go", are(0, 0))

	s = n.editor(t, w)
	next := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() }).socket(t)
	_ = s.conn.CloseNow()
	n.removeRows(t)
	until(t, "the entry in the post's room to go", are(1, 0))
	steady(t, 4*time.Second, are(1, 0))

	_ = next.conn.CloseNow()
	n.editor(t, w)
	n.removeRows(t)
	steady(t, 700*time.Millisecond, are(1, 1))

	// The page has connected again, and the report finds the state of before.
	for _, open := range n.sessions.all() {
		open.site.sync.Closed(open.keyOf(editedRoom, "editor-2"), 2, time.Now())
	}
	n.removeRows(t)
	steady(t, 700*time.Millisecond, are(1, 1))
}

// steady checks that a condition is true for longer than a time.
func steady(t *testing.T, wait time.Duration, condition func() bool) {
	t.Helper()
	start := time.Now()
	until(t, "the time in which the condition is true", func() bool {
		if !condition() {
			t.Fatalf("the entries have changed after %v", time.Since(start))
		}
		return time.Since(start) > wait
	})
}

// TestNewTitleOfPost checks that a tick has the new title of a post, and not that in the ticket of
// its editor; and that a page which shows active posts is told to beat.
func TestNewTitleOfPost(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2).editing(t, 42, "post", "Hello")
	p.socket(t).beat(1, p.form(handle("presence-editor-ping", "post_id", "42")))
	other := n.page(t, 1)
	s := other.socket(t)
	hasTitle := func(id uint64, title string) {
		t.Helper()
		if got := activeAnswer(t, s.beat(id, other.form(asksPosts))); !strings.Contains(got, `"post_title":"`+title+`"`) {
			t.Errorf("active posts: %s, want the title %s", got, title)
		}
	}
	hasTitle(1, "Hello")
	n.call(t, "/presence/changed", `{"site":"demo","rooms":[{"room":"postType/post:42","title":"Bye"}]}`)
	if f := s.next("nudge"); !f.Paced {
		t.Errorf("%+v", f)
	}
	hasTitle(2, "Bye")

	earlier := nodetest.SignKey(t, demoSite, n.demo.Secret(), time.Now().Add(-10*time.Second), time.Minute, "api")
	n.callWith(t, earlier, "/presence/changed", `{"site":"demo","rooms":[{"room":"postType/post:42","title":"Older"}]}`)
	n.call(t, "/push", `{"to":{"all":true},"data":1}`) // after it
	s.next("push")
	hasTitle(3, "Bye")
}
