package server

import (
	"encoding/json"
	"log/slog"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// revoker applies revocations.
type revoker struct {
	tickets  *ticket.Verifier
	sites    *sites
	sessions *sessions
	log      *slog.Logger
}

// receive handles a revocation that a node published. From now on such tickets are
// refused. Their sessions end, and the pages are nudged, so that they ask WordPress at once.
// A revocation of a room takes the room from the sessions that hear it.
func (v *revoker) receive(m broker.Message) {
	if m.Data == nil {
		return
	}
	var r ticket.Revocation
	if err := json.Unmarshal(m.Data, &r); err != nil {
		v.log.Warn("a revocation on NATS cannot be decoded", "error", err)
		return
	}
	v.tickets.Revoke(m.Site, r)
	if r.User == 0 && r.Room != "" {
		if st := v.sites.get(m.Site); st != nil {
			for _, sess := range st.listeners(r.Room) {
				sess.withdraw()
			}
			if _, ok := wordpress.ParsePostRoom(r.Room); ok {
				st.rooms.Notifier.Changed() // tickets no longer say who may see the post
			}
		}
		return
	}
	var list []*session
	if r.User != 0 || r.Network {
		list = v.sessions.ofUser(v.sites.network(m.Site), r.User)
	} else {
		list = v.sessions.appendTargets(nil, m.Site, message.Target{All: true})
	}
	for _, sess := range list {
		sess.endIfRevoked(r.User == 0)
	}
}
