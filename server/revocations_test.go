package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// aged returns a page whose ticket was issued some time ago.
func (n *node) aged(t *testing.T, user int, age time.Duration) *page {
	t.Helper()
	p := n.page(t, user)
	_, claims, err := n.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	if p.ticket, err = ticket.Sign(demoSite, n.demo.Secret(), *claims, time.Now().Add(-age)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRevocationsAreRestored checks that a node publishes its revocations again when NATS, which has them in memory, has
// lost them: a node that starts later refuses the tickets.
func TestRevocationsAreRestored(t *testing.T) {
	hub := newHub(t)
	address := hub.ListenAddr()
	on := broker.Config{TTL: time.Minute, URL: "nats://" + address}
	n := newNodeOn(t, on)
	pages := map[string]*page{`{"user":2}`: n.aged(t, 2, 30*time.Second), `{"user":3,"serial":4}`: n.aged(t, 3, 30*time.Second)}
	for revocation := range pages {
		if status, answer := n.call(t, "/revoke", revocation); status != http.StatusAccepted {
			t.Fatal(status, answer)
		}
	}
	refuses := func(n *node) func() bool {
		return func() bool {
			for _, p := range pages {
				if _, _, err := n.verifyTicket(p.ticket); err == nil {
					return false
				}
			}
			return true
		}
	}
	until(t, "the node refuses the tickets", refuses(n))
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "NATS is gone", func() bool { return n.broker.Ready() != nil })
	until(t, "NATS is back", func() (ok bool) {
		var err error
		hub, err = broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: address})
		return err == nil
	})
	t.Cleanup(func() { _ = hub.Close() })
	until(t, "a later node refuses the tickets", refuses(newNodeOn(t, on)))
}

// TestTicketsBeforeRevocations checks which tickets a node accepts that has not read the revocations: new ones only.
func TestTicketsBeforeRevocations(t *testing.T) {
	address := freeAddress(t)
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + address})
	n.page(t, 1).socket(t)
	old := n.aged(t, 2, 2*time.Minute)
	s, _, err := old.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(old.hello())
	if bye, code := s.ended(); code != 4003 {
		t.Errorf("ended with %d %q", code, bye.Reason)
	}
}
