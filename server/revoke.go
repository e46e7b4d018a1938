package server

import (
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// applyRevocation is called with a revocation of a site from which on such tickets are refused. Their sessions end,
// and the pages are nudged, so that they ask WordPress at once. A revocation of a room takes
// the room from the sessions that hear it.
func (s *Server) applyRevocation(siteID string, r ticket.Revocation) {
	if r.User == 0 && r.Room != "" {
		if st := s.sites.get(siteID); st != nil {
			for _, sess := range st.listeners(r.Room) {
				sess.withdraw()
			}
			if _, ok := wordpress.ParsePostRoom(r.Room); ok {
				st.rooms.Notifier.Changed() // tickets no longer say who may see the post
			}
		}
		return
	}
	list := s.sessions.ofUser(s.sites.network(siteID), r.User)
	if r.User == 0 && !r.Network {
		list = s.sessions.appendTargets(nil, siteID, message.Target{All: true})
	}
	for _, sess := range list {
		sess.endIfRevoked(r.User == 0)
	}
}
