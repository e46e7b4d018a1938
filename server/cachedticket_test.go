package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestCachedTickets checks that a cached ticket is refused as soon as one that is not cached.
func TestCachedTickets(t *testing.T) {
	n := newNode(t)
	cached := func(p *page) *ticket.Claims {
		t.Helper()
		if r := p.post(t, p.pinging("dashboard")); r.StatusCode != http.StatusOK {
			t.Fatalf("a beat: status %d", r.StatusCode)
		}
		_, claims, err := n.postedTicket(p.ticket)
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	refused := func(p *page, status int, why string) {
		t.Helper()
		if r := p.post(t, p.pinging("dashboard")); r.StatusCode != status || !strings.Contains(text(r), why) {
			t.Errorf("a beat: status %d, want %d: %s", r.StatusCode, status, why)
		}
	}
	ed, alice, expired := n.page(t, 2), n.page(t, 1), n.page(t, 3)
	cached(alice)
	claims := cached(ed)
	if _, again, err := n.postedTicket(ed.ticket); err != nil || again != claims {
		t.Errorf("the ticket was verified again: %v", err)
	}

	cached(expired).ExpiresAt = jwt.NewNumericDate(time.Now())
	refused(expired, http.StatusForbidden, "expired")

	n.call(t, "/revoke", `{"room":"`+room42+`"}`)
	until(t, "the revocation of the room", func() bool {
		_, less, err := n.postedTicket(ed.ticket)
		return err == nil && less.Native == nil && !slices.Contains(less.User().Rooms, room42)
	})
	refused(ed, http.StatusConflict, "PHP")

	n.call(t, "/revoke", `{"user":1}`)
	until(t, "the revocation of the user's tickets", func() bool {
		_, _, err := n.postedTicket(alice.ticket)
		return err != nil
	})
	refused(alice, http.StatusForbidden, "revoked")
}
