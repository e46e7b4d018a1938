package server

import (
	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// report takes from a note, or a hello, whether the user is idle, and says whether
// they have just become so: then the note says nothing else, and the page's entries
// keep the date of its last beat. It is called with s.mu held.
func (s *session) report(form *wordpress.Array) bool {
	was := s.idle
	switch form.String("idle") {
	case "0":
		s.idle = broker.Active
	case "1":
		s.idle = broker.Idle
	}
	if s.idle != broker.Idle || was != broker.Active {
		return false
	}
	for _, e := range s.held {
		s.server.broker.SetIdle(s.keyOf(e.room, e.clientID))
	}
	return true
}
