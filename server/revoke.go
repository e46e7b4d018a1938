package server

import (
	"encoding/json"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// manySpread is the time over which the pages of more than one user ask WordPress
// for new tickets, in milliseconds.
const manySpread = 1000

// revoke takes a revocation from NATS: it holds for tickets that come, and ends the
// sessions that came with one. Their pages are nudged, so that they ask PHP at once.
func (s *Server) revoke(sig broker.Message) {
	var r ticket.Revocation
	if err := json.Unmarshal(sig.Data, &r); err != nil {
		s.log.Warn("a revocation on NATS cannot be decoded", "error", err)
		return
	}
	s.tickets.Revoke(sig.Site, r)
	if r.User == 0 && r.Room != "" {
		if st := s.site(sig.Site); st != nil {
			for _, l := range st.rooms.Listeners(r.Room) {
				l.(*session).withdraw()
			}
		}
		return
	}
	for _, sess := range s.sessionsOf(sig.Site, r.User) {
		sess.revoke(r.User == 0)
	}
}

// sessionsOf returns this node's sessions of a user, on every site of the network, or of
// everybody on the site if user is 0.
func (s *Server) sessionsOf(siteID string, user int64) (list []*session) {
	network := s.networkOf(siteID)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, sess := range s.sessions {
		if user == 0 && key.site == siteID || user != 0 && key.user == user && sess.site.network == network {
			list = append(list, sess)
		}
	}
	return list
}

// revoke ends the session if its ticket is revoked, one of many perhaps.
func (s *session) revoke(many bool) {
	s.mu.Lock()
	over := s.server.tickets.Revoked(s.site.ID, s.claims)
	s.mu.Unlock()
	if over {
		s.Send(room.NudgeFrame(spread(many)))
		s.end(ticketError("the ticket is revoked: ask WordPress"))
	}
}

// withdraw takes the rooms that were revoked from the session. What the page says
// of itself there stays: most get the room back with their next ticket.
func (s *session) withdraw() {
	s.mu.Lock()
	claims := s.server.tickets.WithoutRevokedRooms(s.site.ID, s.claims)
	stripped := !s.ended && claims != s.claims
	var err error
	if stripped {
		s.claims, s.user = claims, claims.User()
		err = s.hear(false)
	}
	s.mu.Unlock()
	if stripped && err == nil {
		s.Send(room.NudgeFrame(spread(true)))
	}
}

// spread is the time over which pages ask WordPress for new tickets.
func spread(many bool) int {
	if many {
		return manySpread
	}
	return 0
}
