package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// find is the session of a page.
func (n *node) find(user int64, conn string) *session {
	n.sessions.mu.Lock()
	defer n.sessions.mu.Unlock()
	return n.sessions.byKey[sessionKey{demoSite, user, conn}]
}

// TestResumedPageLearnsWhatItMissed brings a page back to a room that changed.
func TestResumedPageLearnsWhatItMissed(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	alice, p := n.page(t, 1), n.page(t, 2)
	s := alice.socket(t)
	_ = s.conn.CloseNow()
	until(t, "the socket is gone", func() bool { return !n.find(1, alice.conn).connected() })
	p.socket(t).beat(1, p.pinging("dashboard"))
	back := alice.socket(t)
	back.presence(wordpress.AdminRoom, func(f frame) bool { return has(f.Snapshot, "user-2") })
}

// TestDrainingTakesNobodyBack turns pages away that come back in their grace.
func TestDrainingTakesNobodyBack(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 1)
	s := p.socket(t)
	n.Drain(t.Context(), 0)
	s.ended()
	again, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	again.send(p.hello())
	if bye, code := again.ended(); code != 4001 || bye.Retry <= 0 {
		t.Errorf("%d %+v", code, bye)
	}
}

// TestHelloWhileClosing ends, though a page comes back to a session that ended.
func TestHelloWhileClosing(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 1)
	p.socket(t)
	n.find(1, p.conn).end(nil)
	n.sessions.mu.Lock() // as if it had not been forgotten yet
	n.sessions.byKey[sessionKey{demoSite, 1, p.conn}] = &session{shared: &n.shared, key: sessionKey{demoSite, 1, p.conn}, ended: true}
	n.sessions.byUser[userKey{demoSite, 1}]++
	n.sessions.mu.Unlock()
	again := p.socket(t) // a new one is made
	if n.find(1, p.conn).ended {
		t.Error("the page has the session that ended")
	}
	_ = again.conn.CloseNow()
}

// TestBackJustInTime has the grace end at the moment that the page is back.
func TestBackJustInTime(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.socket(t)
	n.find(1, p.conn).expire()
	if f := s.beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("answered %+v", f)
	}
}

// TestRenewKeepsTheGrace takes a ticket from a page that is gone already.
func TestRenewKeepsTheGrace(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	session := n.find(1, p.conn)
	_ = s.conn.CloseNow()
	until(t, "the socket is gone", func() bool { return !session.connected() })
	if err := session.Renew(n.page(t, 1).ticket); err != nil && n.find(1, p.conn) != nil {
		t.Fatal(err)
	}
	until(t, "the grace ends all the same", func() bool { return len(n.online(t, wordpress.AdminRoom)) == 0 })
}

// TestPostTabStays keeps a user's tab that only posts when a linked tab of
// theirs beats on and leaves.
func TestPostTabStays(t *testing.T) {
	n := newNode(t)
	linked, posting := n.page(t, 2), n.page(t, 2)
	s := linked.socket(t)
	s.beat(1, linked.pinging("dashboard"))
	posting.post(t, posting.pinging("upload"))
	s.beat(2, linked.pinging("dashboard"))
	s.send(`{"type":"leave"}`)
	s.ended()
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("online: %v", got)
	}
}

// TestPostBeforeLink has a page post before its link is up, as pages do: it is
// one page, and leaves as one.
func TestPostBeforeLink(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 3)
	post := func() {
		r := p.ajaxRequest(t, p.pinging("dashboard"))
		r.Header.Set(connectionHeader, p.conn)
		p.do(t, r)
	}
	post()
	s := p.socket(t)
	post() // which was under way meanwhile
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, p.pinging("dashboard")))
	s.send(`{"type":"leave"}`)
	s.ended()
	if got := n.online(t, wordpress.AdminRoom); len(got) != 0 {
		t.Errorf("online: %v", got)
	}
}

// TestPostAfterLink has a page post on when its link is gone for good: the end
// of the grace does not take away what it posted.
func TestPostAfterLink(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 3)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	session := n.find(3, p.conn)
	_ = s.conn.CloseNow()
	until(t, "the socket is gone", func() bool { return !session.connected() })
	r := p.ajaxRequest(t, p.pinging("dashboard"))
	r.Header.Set(connectionHeader, p.conn)
	p.do(t, r)
	session.expire()
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("online: %v", got)
	}
}

// TestLinkedPostWritesNothing leaves the entry of a page with a link to the link.
func TestLinkedPostWritesNothing(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2)
	s := p.socket(t)
	r := p.ajaxRequest(t, p.pinging("dashboard"))
	r.Header.Set(connectionHeader, p.conn)
	if answer := p.do(t, r); answer.StatusCode != 200 {
		t.Fatalf("status %d", answer.StatusCode)
	}
	if got := n.online(t, wordpress.AdminRoom); len(got) != 0 {
		t.Errorf("online: %v", got)
	}
	s.send(`{"type":"leave"}`)
	s.ended()
	r = p.ajaxRequest(t, p.pinging("dashboard"))
	r.Header.Set(connectionHeader, p.conn) // but has none any more
	p.do(t, r)
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("online: %v", got)
	}
}
