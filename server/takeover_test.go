package server

import (
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
			watching.presence(wordpress.AdminRoom, isJoin("user-3"))
			for _, f := range watching.seen {
				for _, e := range f.Left {
					t.Errorf("%v left", e["client_id"])
				}
			}
			other.wantHolder(t, "other")
			old.wantHolder(t, "other")
		})
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
