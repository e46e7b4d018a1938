package server

import (
	"encoding/json"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// manySpread is the time over which the pages of more than one user ask WordPress
// for new tickets, in milliseconds.
const manySpread = 1000

// receiveRevocation takes a revocation that a node published: it holds for tickets that
// come, and ends the sessions of such tickets. Their pages are nudged, so that they ask
// WordPress at once.
func (s *Server) receiveRevocation(m broker.Message) {
	var r ticket.Revocation
	if err := json.Unmarshal(m.Data, &r); err != nil {
		s.log.Warn("a revocation on NATS cannot be decoded", "error", err)
		return
	}
	s.tickets.Revoke(m.Site, r)
	if r.User == 0 && r.Room != "" {
		if st := s.site(m.Site); st != nil {
			for _, l := range st.rooms.Listeners(r.Room) {
				l.(*session).withdraw()
			}
		}
		return
	}
	var list []*session
	if r.User != 0 {
		list = s.sessions.ofUser(s.networkOf(m.Site), r.User)
	} else {
		list = s.sessions.appendTargets(nil, m.Site, message.Target{All: true})
	}
	for _, sess := range list {
		sess.endIfRevoked(r.User == 0)
	}
}

// endIfRevoked ends the session if its ticket is revoked. many says that the tickets of
// many pages are.
func (s *session) endIfRevoked(many bool) {
	s.mu.Lock()
	revoked := s.tickets.Revoked(s.site.ID, s.claims)
	s.mu.Unlock()
	if revoked {
		s.Send(room.NudgeFrame(spread(many)))
		s.end(ticketError("the ticket is revoked: ask WordPress"))
	}
}

// withdraw takes rooms that were revoked from the session, and has the page ask WordPress
// for a new ticket.
func (s *session) withdraw() {
	s.mu.Lock()
	withdrawn, err := false, error(nil)
	if !s.ended {
		withdrawn, err = s.withdrawRooms()
	}
	s.mu.Unlock()
	if withdrawn && err == nil {
		s.Send(room.NudgeFrame(spread(true)))
	}
}

// spread returns the time, in milliseconds, over which pages ask WordPress for new tickets.
func spread(many bool) int {
	if many {
		return manySpread
	}
	return 0
}
