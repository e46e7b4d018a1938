package server

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// admit checks the ticket of a request, and that the request's origin and log-in cookie
// are right for it. verify is verifyTicket or postedTicket.
func admit(r *http.Request, raw string, verify func(string) (*site, *ticket.Claims, error)) (*site, *ticket.Claims, error) {
	st, claims, err := verify(raw)
	switch {
	case err != nil:
		return nil, nil, err
	case !st.allows(r):
		return nil, nil, refusal.New(st.ID, refusal.WrongOrigin, transport.OriginRefused)
	case !claims.CookieMatches(r):
		return nil, nil, refusal.New(st.ID, refusal.WrongCookie, "the log-in cookie is of another session than the ticket")
	}
	return st, claims, nil
}

// verifyTicket returns the site and the claims of a ticket that is valid now.
func (s *Server) verifyTicket(raw string) (*site, *ticket.Claims, error) {
	return s.siteOfTicket(s.tickets.Verify(raw))
}

// postedTicket is verifyTicket for a beat by POST.
func (s *Server) postedTicket(raw string) (*site, *ticket.Claims, error) {
	return s.siteOfTicket(s.tickets.VerifyCached(raw))
}

func (s *Server) siteOfTicket(siteID string, claims *ticket.Claims, err error) (*site, *ticket.Claims, error) {
	if err != nil {
		return nil, nil, refusal.OfTicket(err)
	}
	st := s.sites.get(siteID)
	if st == nil {
		retry := 30*time.Second + rand.N(30*time.Second) // sites without pages are removed
		return nil, nil, refusal.NewLimit(siteID, "site limit of the network reached on this node", retry, nil)
	}
	return st, claims, nil
}
