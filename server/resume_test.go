package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// find returns the session of a page of the demo site, or nil.
func (n *node) find(user int64, conn string) *session {
	n.sessions.mu.Lock()
	defer n.sessions.mu.Unlock()
	return n.sessions.byKey[sessionKey{demoSite, user, conn}]
}

// TestResumedPageGetsSnapshot checks that a page that resumes its session gets a snapshot of
// a room that changed meanwhile.
func TestResumedPageGetsSnapshot(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	alice, p := n.page(t, 1), n.page(t, 2)
	s := alice.socket(t)
	_ = s.conn.CloseNow()
	until(t, "the socket is gone", func() bool { return !n.find(1, alice.conn).connected() })
	p.socket(t).beat(1, p.pinging("dashboard"))
	back := alice.socket(t)
	back.presence(wordpress.AdminRoom, func(f frame) bool { return has(f.Snapshot, "user-2") })
}

// TestDrainingRefusesResumption checks that a draining node refuses pages that come back
// within the grace period.
func TestDrainingRefusesResumption(t *testing.T) {
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

// TestHelloAfterEnd checks that a page gets a new session if its last one has ended but is
// not yet removed.
func TestHelloAfterEnd(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 1)
	p.socket(t)
	n.find(1, p.conn).end(nil)
	n.sessions.mu.Lock() // as if it were not removed yet
	n.sessions.add(&session{shared: &n.shared, key: sessionKey{demoSite, 1, p.conn}, ended: true})
	n.sessions.mu.Unlock()
	again := p.socket(t)
	if n.find(1, p.conn).ended {
		t.Error("the page got the session that has ended")
	}
	_ = again.conn.CloseNow()
}

// TestGraceEndsAfterResumption has the timer of the grace period fire just after the page
// has come back.
func TestGraceEndsAfterResumption(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.socket(t)
	n.find(1, p.conn).expire()
	if f := s.beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("answered %+v", f)
	}
}

// TestRenewKeepsGrace checks that a ticket that arrives after the end of the connection does
// not extend the grace period.
func TestRenewKeepsGrace(t *testing.T) {
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
	until(t, "the end of the grace period", func() bool { return len(n.online(t, wordpress.AdminRoom)) == 0 })
}

// TestPostTabStays checks that the entry of a tab that beats by POST stays when another tab
// of the user, which has a link, leaves.
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

// TestPostBeforeLink has a page that posts before its link is open. It has one entry, which
// its leave removes.
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
	post() // as if it had been sent before
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, p.pinging("dashboard")))
	s.send(`{"type":"leave"}`)
	s.ended()
	if got := n.online(t, wordpress.AdminRoom); len(got) != 0 {
		t.Errorf("online: %v", got)
	}
}

// TestPostAfterLink has a page that posts after it has lost its link. The end of the grace
// period must not remove its entry.
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

// TestLinkedPostWritesNothing checks that a beat by POST of a page with a link writes no
// entry.
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
	r.Header.Set(connectionHeader, p.conn) // it has no link any more
	p.do(t, r)
	if got := n.online(t, wordpress.AdminRoom); len(got) != 1 {
		t.Errorf("online: %v", got)
	}
}
