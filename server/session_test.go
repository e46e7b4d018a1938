package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// isJoin and isLeave match a presence frame with the join or the leave of a client id.
func isJoin(client string) func(frame) bool {
	return func(f frame) bool { return has(f.Joined, client) }
}

func isLeave(client string) func(frame) bool {
	return func(f frame) bool { return has(f.Left, client) }
}

func has(entries []map[string]any, client string) bool {
	for _, e := range entries {
		if e["client_id"] == client {
			return true
		}
	}
	return false
}

// online returns the client ids in a room.
func (n *node) online(t *testing.T, room string) (clients []string) {
	t.Helper()
	view, err := n.sites.configured[demoSite].watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	view.Room(room, func(entries []presence.Entry, _ int) {
		for _, e := range entries {
			clients = append(clients, e.ClientID)
		}
	})
	return clients
}

// TestJoinAndLeave checks the presence frames that one page receives about another.
func TestJoinAndLeave(t *testing.T) {
	n := newNode(t)
	alice := n.page(t, 1).socket(t)
	for _, room := range []string{"admin/online", "postType/post:42", "postType/post:51", "postType/page:7"} {
		alice.presence(room, func(f frame) bool { return f.Snapshot != nil })
	}
	p := n.page(t, 2)
	ed := p.socket(t)
	ed.beat(1, p.pinging("post")+"&data[presence-editor-ping][post_id]=42")
	joined := alice.presence("admin/online", isJoin("user-2")).Joined[0]
	if data := joined["data"].(map[string]any); data["screen"] != "post" || joined["display_name"] != "Ed Editor" {
		t.Errorf("joined: %v", joined)
	}
	alice.presence("postType/post:42", isJoin("editor-2"))

	ed.beat(2, p.pinging("dashboard"))
	alice.presence("admin/online", func(f frame) bool { return has(f.Updated, "user-2") })

	ed.send(`{"type":"leave"}`)
	alice.presence("admin/online", isLeave("user-2"))
	alice.presence("postType/post:42", isLeave("editor-2"))
}

// TestPollIsRepeatable checks that a poll whose response was lost returns the same frames
// again.
func TestPollIsRepeatable(t *testing.T) {
	n := newNode(t)
	l := n.page(t, 1).poller(t)
	_, seq, frames := l.poll(0)
	if len(frames) != 4 {
		t.Fatalf("%d frames at first, want four snapshots", len(frames))
	}
	p := n.page(t, 2)
	p.socket(t).beat(1, p.pinging("dashboard"))
	status, next, frames := l.poll(seq)
	if status != 200 || !has(frames[0].Joined, "user-2") {
		t.Fatalf("%d %+v", status, frames)
	}
	// As after a lost response.
	if _, again, frames := l.poll(seq); again < next || !has(frames[0].Joined, "user-2") {
		t.Errorf("the second poll: %d %+v", again, frames)
	}
}

// TestGrace checks that a page that comes back within the grace period neither leaves nor
// joins, and that it leaves at the end of the period.
func TestGrace(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	alice := n.page(t, 1).socket(t)
	p := n.page(t, 2)
	ed := p.socket(t)
	ed.beat(1, p.pinging("dashboard"))
	alice.presence("admin/online", isJoin("user-2"))

	_ = ed.conn.CloseNow()
	back, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	back.send(p.hello())
	if f := back.next("welcome"); !f.Resumed {
		t.Error("the session was not resumed")
	}
	_ = back.conn.CloseNow()
	n.sessions.mu.Lock()
	session := n.sessions.byKey[sessionKey{demoSite, 2, p.conn}]
	n.sessions.mu.Unlock()
	until(t, "the session is detached", func() bool {
		session.outlet.mu.Lock()
		defer session.outlet.mu.Unlock()
		return session.out == nil
	})
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("within the grace period: %v", got)
	}
	session.expire() // as the timer does after the grace period
	left := alice.presence("admin/online", isLeave("user-2"))
	if left.Joined != nil {
		t.Errorf("the frame of the leave has the joins %v", left.Joined)
	}
	for _, f := range alice.seen {
		if has(f.Left, "user-2") || has(f.Joined, "user-2") {
			t.Errorf("before the leave, alice received %+v", f)
		}
	}
}

// TestCloseBeacon checks that the beacon of a long-polling page ends its session, and that
// one with another id, or of an earlier link, does not.
func TestCloseBeacon(t *testing.T) {
	n := newNode(t)
	alice := n.page(t, 1).socket(t)
	p := n.page(t, 2)
	l := p.poller(t)
	l.beat(1, p.pinging("dashboard"))
	alice.presence("admin/online", isJoin("user-2"))
	beacon := func(session, origin string) int {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", n.url+"/heartbeat/close", strings.NewReader("session="+session))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		r.Header.Set("Origin", origin)
		return p.do(t, r).StatusCode
	}
	if status := beacon(l.id[1:], "https://evil.example.org"); status != 204 {
		t.Errorf("a beacon with another id: %d", status)
	}
	if f := l.beat(2, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("a beat after a beacon with another id: %+v", f)
	}
	back := p.poller(t)
	if status := beacon(l.id, n.url); status != 204 {
		t.Errorf("a beacon of the earlier link: %d", status)
	}
	if f := back.beat(2, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("a beat of the newer link: %+v", f)
	}
	for _, f := range alice.seen {
		if has(f.Left, "user-2") {
			t.Error("the beacon of the earlier link ended the newer one")
		}
	}
	if status := beacon(back.id, "null"); status != 204 { // from a page that sends no referrer
		t.Errorf("a beacon with the origin null: %d", status)
	}
	alice.presence("admin/online", isLeave("user-2"))
}

// TestTwoTabs checks that a user with two tabs leaves when the second one is closed.
func TestTwoTabs(t *testing.T) {
	n := newNode(t)
	alice := n.page(t, 1).socket(t)
	p, q := n.page(t, 2), n.page(t, 2)
	first, second := p.socket(t), q.socket(t)
	first.beat(1, p.pinging("dashboard"))
	second.beat(1, q.pinging("upload"))
	alice.presence("admin/online", isJoin("user-2"))
	_ = second.conn.CloseNow()
	until(t, "the end of one session", func() bool {
		n.sessions.mu.Lock()
		defer n.sessions.mu.Unlock()
		return len(n.sessions.byKey) == 2
	})
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 || got[0] != "user-2" {
		t.Errorf("online: %v", got)
	}
	_ = first.conn.CloseNow()
	alice.presence("admin/online", isLeave("user-2"))
}

// TestReplaced checks that a second connection with the same connection id replaces the
// first.
func TestReplaced(t *testing.T) {
	p := newNode(t).page(t, 1)
	old := p.socket(t)
	p.socket(t)
	if bye, code := old.ended(); code != 4004 {
		t.Errorf("the first connection: %d %q", code, bye.Reason)
	}
}

// TestHelloAndNoteWriteEntries checks the entries of a page whose beats go to PHP.
func TestHelloAndNoteWriteEntries(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 3)
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":"data[presence-ping][screen]=users&has_focus=true"}`, p.ticket, p.conn))
	s.next("welcome")
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("after the hello: %v", got)
	}
	s.send(`{"type":"note","body":"data[presence-editor-ping][post_id]=7"}`)
	until(t, "the entry of the note", func() bool { return len(n.online(t, "postType/page:7")) == 1 })
}

// TestRoomAccess checks that a page receives nothing of rooms that its ticket does not name,
// and can write no entry there.
func TestRoomAccess(t *testing.T) {
	n := newNode(t)
	sue := n.page(t, 5) // a subscriber
	s := sue.socket(t)
	p := n.page(t, 1)
	p.socket(t).beat(1, p.pinging("dashboard")+"&data[presence-editor-ping][post_id]=42")
	tick := s.beat(1, sue.pinging("profile")+"&data[presence-editor-ping][post_id]=42")
	if strings.Contains(tick.Body, "presence") || len(s.seen) != 0 {
		t.Errorf("a subscriber received %s and %+v", tick.Body, s.seen)
	}
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 || got[0] != "user-1" {
		t.Errorf("online: %v", got)
	}
	// A newer ticket without the room removes the page's entries in it.
	ed := n.page(t, 2)
	e := ed.socket(t)
	e.beat(1, ed.form("data[presence-editor-ping][post_id]=42"))
	until(t, "the entry in the room", func() bool { return len(n.online(t, "postType/post:42")) == 2 })
	_, claims, err := n.verifyTicket(ed.ticket)
	if err != nil {
		t.Fatal(err)
	}
	narrower := *claims
	narrower.Rooms, narrower.Types = []string{"postType/page:7"}, []string{"page"}
	raw, err := ticket.Sign(demoSite, n.demo.Secret(), narrower, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	e.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, raw))
	until(t, "the end of the entry", func() bool { return len(n.online(t, "postType/post:42")) == 1 })
}

// TestFrequentBeats checks that beats above the limit of a page are declined.
func TestFrequentBeats(t *testing.T) {
	p := newNode(t).page(t, 1)
	s := p.socket(t)
	for id := range uint64(6 * limit.Defaults.MaxBeats) {
		if f := s.beat(id+1, p.form()); f.Type != "tick" {
			t.Fatalf("beat %d: %+v", id+1, f)
		}
	}
	declined := false
	for id := uint64(100); id < 110 && !declined; id++ {
		declined = s.beat(id, p.form()).Type == "decline"
	}
	if !declined {
		t.Errorf("more than %d beats at once were answered", 6*limit.Defaults.MaxBeats)
	}
}

// TestUserLimit reaches the limit of sessions of a user.
func TestUserLimit(t *testing.T) {
	n := newNode(t)
	n.sessions.mu.Lock()
	n.sessions.byUser[demoSite] = map[int64][]*session{1: make([]*session, limit.Defaults.MaxUserPages)}
	n.sessions.mu.Unlock()
	p := n.page(t, 1)
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(p.hello())
	if bye, code := s.ended(); code != 4006 || bye.Retry <= 0 {
		t.Errorf("%d %+v", code, bye)
	}
}

// TestSessionLimit reaches the limit of sessions of a site: a new page is refused, and a page that
// has a session may still reconnect.
func TestSessionLimit(t *testing.T) {
	n := newNode(t)
	known := n.page(t, 1)
	known.socket(t)
	n.broker.Budgets().Sessions.Add(demoSite, 200_000)
	s, _, err := n.page(t, 2).dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(n.page(t, 2).hello())
	if bye, code := s.ended(); code != transport.CodeTooMany || bye.Retry <= 0 || bye.Reason != "session limit of this site reached" {
		t.Errorf("a new page: %d %+v", code, bye)
	}
	known.socket(t)
}

// TestDrain checks that draining ends all connections with a retry time, and refuses new
// pages.
func TestDrain(t *testing.T) {
	n := newNode(t)
	s, l := n.page(t, 1).socket(t), n.page(t, 2).poller(t)
	n.Drain(t.Context(), 20*time.Millisecond)
	if bye, code := s.ended(); code != 4001 || bye.Retry <= 0 {
		t.Errorf("the socket: %d %+v", code, bye)
	}
	_, _, frames := l.poll(0)
	if last := frames[len(frames)-1]; last.Type != "bye" || last.Code != 4001 {
		t.Errorf("the long-poll: %+v", last)
	}
	r, err := http.Get(n.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != 503 {
		t.Errorf("readyz while draining: %d", r.StatusCode)
	}
	if status, _ := (&poller{t: t, page: n.page(t, 3)}).do("POST", "/open", n.page(t, 3).hello()); status != 503 {
		t.Errorf("a new page while draining: %d", status)
	}
}
