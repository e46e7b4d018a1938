package server

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestVouchedBound remembers so many tickets, and the newest.
func TestVouchedBound(t *testing.T) {
	var v vouched
	for i := range maxVouched + 100 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		v.remember(sum, vouch{site: "a site"})
		if _, known := v.find(sum); !known {
			t.Fatalf("ticket %d is not known", i)
		}
	}
	if len(v.known) != maxVouched {
		t.Errorf("%d tickets are remembered, want %d", len(v.known), maxVouched)
	}
}

// TestVouchedTickets refuses a remembered ticket as soon as one that is read anew.
func TestVouchedTickets(t *testing.T) {
	n := newNode(t)
	remembered := func(p *page) *Claims {
		t.Helper()
		if r := p.post(t, p.pinging("dashboard")); r.StatusCode != http.StatusOK {
			t.Fatalf("a beat is answered with %d", r.StatusCode)
		}
		v, known := n.tickets.find(sha256.Sum256([]byte(p.ticket)))
		if !known {
			t.Fatal("the ticket is not remembered")
		}
		return v.claims
	}
	refused := func(p *page, status int, why string) {
		t.Helper()
		if r := p.post(t, p.pinging("dashboard")); r.StatusCode != status || !strings.Contains(text(r), why) {
			t.Errorf("a beat is answered with %d, want %d: %s", r.StatusCode, status, why)
		}
	}
	ed, alice, over := n.page(t, 2), n.page(t, 1), n.page(t, 3)
	remembered(alice)
	claims := remembered(ed)
	if _, again, err := n.postedTicket(ed.ticket); err != nil || again != claims {
		t.Errorf("the ticket is read again: %v", err)
	}

	remembered(over).ExpiresAt = jwt.NewNumericDate(time.Now())
	refused(over, http.StatusForbidden, "over")

	n.call(t, "/revoke", `{"room":"`+room42+`"}`)
	until(t, "the room is withdrawn", func() bool {
		_, less, err := n.postedTicket(ed.ticket)
		return err == nil && less.Native == nil && !slices.Contains(less.user().Rooms, room42)
	})
	refused(ed, http.StatusConflict, "PHP")

	n.call(t, "/revoke", `{"user":1}`)
	until(t, "the user's tickets are revoked", func() bool {
		_, _, err := n.postedTicket(alice.ticket)
		return err != nil
	})
	refused(alice, http.StatusForbidden, "revoked")
}
