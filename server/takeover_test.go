package server

import (
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestOnlyHelloTakesOver opens a page on a node, and on another one. Then the first node gets
// another beat of it, and loses its connection. The page must stay on the other node: with the
// presence handles in its hello, and with those of its first beat there.
func TestOnlyHelloTakesOver(t *testing.T) {
	for name, inHello := range map[string]bool{"handles in the hello": true, "handles in the first beat": false} {
		t.Run(name, func(t *testing.T) {
			old := newNodeOn(t, broker.Config{Listen: "127.0.0.1:0", Node: "old", TTL: time.Minute})
			other := newNodeOn(t, broker.Config{URL: "nats://" + old.broker.ListenAddr(), Node: "other", TTL: time.Minute})
			watching := other.page(t, 1).socket(t)
			p := old.page(t, 2)
			before := p.socket(t)
			before.beat(1, p.pinging("dashboard"))
			watching.presence(wordpress.AdminRoom, isJoin("user-2"))

			moved := *p
			moved.node = other
			if inHello {
				s, _, err := moved.dial(t, nil)
				if err != nil {
					t.Fatal(err)
				}
				s.send(moved.helloWith(moved.pinging("upload")))
				s.next("welcome")
			} else {
				moved.socket(t).beat(1, moved.pinging("upload"))
			}
			other.wantHolder(t, "other")
			if f := before.beat(2, p.pinging("users")); f.Status != 200 {
				t.Errorf("the first node answers the old beat with %+v", f)
			}
			_ = before.conn.CloseNow()
			until(t, "the end of the old session", func() bool { return old.sessions.count("") == 0 })
			last := old.page(t, 3)
			last.socket(t).beat(1, last.pinging("upload")) // is written after what that session has removed
			watching.nobodyLeft("user-3")
			other.wantHolder(t, "other")
			old.wantHolder(t, "other")
		})
	}
}

// TestUnusedTakeOver opens a page on a node, and on another one with a connection that it gives up
// at once, as when the welcome is late. The page goes on at the first node, so its entry must not
// leave when its session on the other one ends.
func TestUnusedTakeOver(t *testing.T) {
	first := newNodeOn(t, broker.Config{Listen: "127.0.0.1:0", Node: "first", TTL: time.Minute})
	other := newNodeOn(t, broker.Config{URL: "nats://" + first.broker.ListenAddr(), Node: "other", TTL: time.Minute})
	watching := first.page(t, 1).socket(t)
	p := first.page(t, 2)
	used := p.socket(t)
	used.beat(1, p.pinging("dashboard"))
	watching.presence(wordpress.AdminRoom, isJoin("user-2"))

	again := *p
	again.node = other
	unused, _, err := again.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	unused.send(again.helloWith(again.pinging("dashboard")))
	first.wantHolder(t, "other")
	_ = unused.conn.CloseNow()
	used.beat(2, p.pinging("dashboard"))
	until(t, "the end of the unused session", func() bool { return other.sessions.count("") == 0 })
	last := other.page(t, 3)
	last.socket(t).beat(1, last.pinging("upload")) // is written after what that session has done
	watching.nobodyLeft("user-3")
	used.beat(3, p.pinging("dashboard"))
	other.wantHolder(t, "first")
}

// TestBeatBeforeClose closes a page right after it has posted a beat: the entry that PHP writes for it arrives when the
// page is gone. The entry leaves with the session.
func TestBeatBeforeClose(t *testing.T) {
	n := newNodeOn(t, broker.Config{TTL: time.Minute}, func(c *Config) { c.grace = time.Hour })
	watching := n.page(t, 1).socket(t)
	p := n.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	watching.presence(wordpress.AdminRoom, isJoin("user-2"))
	page := n.sessions.find(sessionKey{demoSite, 2, p.conn})
	_ = s.conn.CloseNow()
	until(t, "the end of the link", func() bool { return !page.connected() })
	if a := n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	page.expire()
	watching.presence(wordpress.AdminRoom, func(f frame) bool {
		return slices.ContainsFunc(f.Left, func(e map[string]any) bool { return e["client_id"] == "user-2" })
	})
}

// TestPostedBeats has a page lose its link, and post a beat, for which PHP writes its entry. The entry must not
// leave when the session ends: PHP writes it for the next beat, to another node.
func TestPostedBeats(t *testing.T) {
	first := newNodeOn(t, broker.Config{Listen: "127.0.0.1:0", Node: "first", TTL: time.Minute}, func(c *Config) { c.grace = time.Hour })
	other := newNodeOn(t, broker.Config{URL: "nats://" + first.broker.ListenAddr(), Node: "other", TTL: time.Minute})
	watching := other.page(t, 1).socket(t)
	p := first.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	watching.presence(wordpress.AdminRoom, isJoin("user-2"))
	page := first.sessions.find(sessionKey{demoSite, 2, p.conn})
	_ = s.conn.CloseNow()
	until(t, "the end of the link", func() bool { return !page.connected() })
	put := func(n *node) {
		t.Helper()
		if a := n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	gone := time.Now()
	until(t, "a beat that the page has posted since", func() bool { return time.Since(gone) > broker.LateBeat })
	put(first)
	page.expire()
	view, err := other.sites.get(demoSite).open()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "an entry that nobody holds", func() bool {
		shown := view.Shown(presence.Filter{Room: wordpress.AdminRoom, ClientID: "user-2"})
		return len(shown) == 1 && !shown[0].Held
	})
	put(other)
	other.wantHolder(t, "other")
	last := other.page(t, 3)
	last.socket(t).beat(1, last.pinging("upload"))
	watching.nobodyLeft("user-3")
}

// nobodyLeft waits for a join, and checks that nobody has left before it.
func (s *socket) nobodyLeft(joins string) {
	s.t.Helper()
	last := s.presence(wordpress.AdminRoom, isJoin(joins))
	for _, f := range append(s.seen, last) {
		for _, e := range f.Left {
			s.t.Errorf("%v left", e["client_id"])
		}
	}
}

// wantHolder waits until the entry of user 2 is that of a node.
func (n *node) wantHolder(t *testing.T, name string) {
	t.Helper()
	view, err := n.sites.get(demoSite).open()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the holder "+name, func() bool {
		shown := view.Shown(presence.Filter{Room: wordpress.AdminRoom, ClientID: "user-2"})
		return len(shown) == 1 && shown[0].Node == name
	})
}
