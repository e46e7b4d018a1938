package server

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// revoke delivers a revocation to the node, as if another node had published it.
func (n *node) revoke(t *testing.T, v ticket.Revocation) {
	t.Helper()
	v.Until = time.Now().UnixMilli()
	n.tickets.Revoke(demoSite, v)
	n.applyRevocation(demoSite, v)
}

// opening is a page whose ticket is verified, but which has no session yet.
type opening struct {
	n      *node
	p      *page
	claims *ticket.Claims
	out    *transport.Outbox
}

func (n *node) verified(t *testing.T, p *page) *opening {
	t.Helper()
	_, claims, err := n.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	return &opening{n, p, claims, &transport.Outbox{}}
}

// open opens the session of the page.
func (o *opening) open(t *testing.T) (*session, error) {
	t.Helper()
	id, _ := o.claims.UserID()
	s, resumed, err := o.n.sessions.enter(&o.n.shared, o.n.sites.configured[demoSite], sessionKey{demoSite, id, o.p.conn}, o.claims)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.begin(o.n.replay, "", o.claims, transport.Hello{Body: o.p.pinging("dashboard")}, o.out, resumed)
	return s, err
}

// hears reports whether a session hears a room.
func (n *node) hears(s *session, name string) bool {
	return slices.Contains(n.sites.configured[demoSite].rooms.Listeners(name), room.Listener(s))
}

func isRevoked(err error) bool {
	bye := new(transport.Bye)
	return errors.As(err, &bye) && bye.Code == transport.CodeTicket
}

// TestRevokedWhileOpening has a revocation that arrives after the ticket was verified and
// before the session exists.
func TestRevokedWhileOpening(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	o := n.verified(t, n.page(t, 2))
	n.revoke(t, ticket.Revocation{User: 2})
	if _, err := o.open(t); !isRevoked(err) {
		t.Errorf("the page of a revoked user was opened: %v", err)
	}
	if n.find(2, o.p.conn) != nil || len(n.online(t, wordpress.AdminRoom)) > 0 {
		t.Errorf("the session or its entry is left: %v", n.online(t, wordpress.AdminRoom))
	}

	o = n.verified(t, n.page(t, 1))
	n.revoke(t, ticket.Revocation{Room: room42})
	s, err := o.open(t)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hears := func(room string) bool { return slices.Contains(s.targets(), message.Target{Room: room}) }
	if hears(room42) || !hears("postType/post:51") || slices.Contains(s.claims.Rooms, room42) || s.claims.Native != nil {
		t.Errorf("the page hears %v with %+v", s.user.Hears(), s.claims)
	}
	if n.hears(s, room42) {
		t.Error("the page hears the revoked room")
	}
}

// TestRevokedWhileRenewing is the same for a newer ticket of a session.
func TestRevokedWhileRenewing(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	full := p.ticket
	p.withClaims(t, func(c *ticket.Claims) { c.Rooms = nil })
	s, err := n.verified(t, p).open(t)
	if err != nil {
		t.Fatal(err)
	}
	p.ticket = full
	newer := n.verified(t, p)
	n.revoke(t, ticket.Revocation{Room: room42})
	if err := s.renew(demoSite, newer.claims); err != nil {
		t.Fatal(err)
	}
	if n.hears(s, room42) {
		t.Error("the page hears the revoked room")
	}
	if !n.hears(s, "postType/post:51") {
		t.Error("the page does not hear another room")
	}
	n.revoke(t, ticket.Revocation{User: 1})
	if err := s.renew(demoSite, newer.claims); !isRevoked(err) {
		t.Errorf("a revoked ticket was accepted: %v", err)
	}
}

// TestRevokedAnyTime opens pages while their users and rooms are revoked. The revocation
// must hold whatever comes first.
func TestRevokedAnyTime(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	for i := range 500 {
		user := 1000 + i
		name := fmt.Sprintf("postType/post:%d", user)
		claims := claimsFor(fmt.Sprint(user))
		claims.Rooms = []string{name}
		signed, err := ticket.Sign(demoSite, n.demo.Secret(), claims, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		v := ticket.Revocation{User: int64(user)}
		if i%2 == 0 {
			v = ticket.Revocation{Room: name}
		}
		hello := transport.Hello{Ticket: signed, Conn: fmt.Sprintf("conn-of-%d", user)}
		var both sync.WaitGroup
		both.Go(func() { _, _, _ = n.Open(httptest.NewRequest("GET", "/", nil), hello, &transport.Outbox{}) })
		both.Go(func() { n.revoke(t, v) })
		both.Wait()
		if v.User != 0 && n.find(v.User, hello.Conn) != nil || v.Room != "" && len(n.sites.configured[demoSite].rooms.Listeners(name)) > 0 {
			t.Fatalf("page %d outlives the revocation of %+v", i, v)
		}
	}
}

// TestOpenPanics checks that a panic while a session begins leaves it detached and unlocked.
func TestOpenPanics(t *testing.T) {
	n := newNode(t)
	o := n.verified(t, n.page(t, 1))
	broken := *o.claims
	broken.ExpiresAt = nil
	id, _ := o.claims.UserID()
	s, resumed, err := n.sessions.enter(&n.shared, n.sites.configured[demoSite], sessionKey{demoSite, id, o.p.conn}, o.claims)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_, _ = s.begin(n.replay, "", &broken, transport.Hello{}, o.out, resumed)
	}()
	if s.connected() || !s.mu.TryLock() {
		t.Fatal("the session is attached, or locked")
	}
	s.mu.Unlock()
}

// TestDefaults checks New with the fewest fields of Config.
func TestDefaults(t *testing.T) {
	if _, err := New(Config{BasePath: "/heartbeat"}); err == nil {
		t.Error("New without a broker returned no error")
	}
	b, err := broker.Open(t.Context(), broker.Config{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	s, err := New(Config{Broker: b, BasePath: "/heartbeat", Sites: []Site{{ID: "a", Secrets: []string{"secret"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.replay.receive(broker.Message{Site: "a", Data: []byte("no JSON")}) // must not panic
	w := httptest.NewRecorder()
	s.Public().ServeHTTP(w, httptest.NewRequest("GET", "/heartbeat/heartbeat.js", nil))
	if w.Code != 404 {
		t.Errorf("without scripts: %d", w.Code)
	}
}
