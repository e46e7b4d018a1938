package server

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// revocation ends the tickets of a user, or of one of their log-ins, that were
// issued until a time.
type revocation struct {
	User  int64  `json:"user"`
	SID   string `json:"sid,omitempty"`
	Until int64  `json:"until"` // Unix s, by the clock of the WordPress that says it
}

// revocations are the tickets that are no longer good, though not yet over.
type revocations struct {
	server *Server

	mu    sync.Mutex // guards the following fields
	until map[revoked]int64
	swept time.Time
}

type revoked struct {
	network string // whose users these are, see networkOf
	user    int64
	sid     string // empty: every log-in
}

// hear takes a revocation: it holds for tickets that come, and ends the
// sessions that came with one. Their pages are nudged to ask PHP at once.
func (r *revocations) hear(sig broker.Signal) {
	var v revocation
	if err := json.Unmarshal(sig.Data, &v); err != nil {
		r.server.log.Warn("a revocation on NATS is not one", "error", err)
		return
	}
	network := r.server.networkOf(sig.Site)
	k := revoked{network, v.User, v.SID}
	r.mu.Lock()
	if r.until == nil {
		r.until = make(map[revoked]int64)
	}
	r.sweep(time.Now())
	r.until[k] = max(r.until[k], v.Until)
	r.mu.Unlock()
	for _, st := range r.server.allSites() {
		if st.network != network {
			continue
		}
		for _, s := range r.server.sessionsOf(userKey{st.ID, v.User}) {
			s.revoke()
		}
	}
}

// sweep forgets, once a minute, what no ticket can be covered by any more.
func (r *revocations) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for k, until := range r.until {
		if now.Unix()-until > int64((TicketLife+2*clockSkew)/time.Second) {
			delete(r.until, k)
		}
	}
}

// covers says whether a ticket is revoked.
func (r *revocations) covers(site string, c *Claims) bool {
	network := r.server.networkOf(site)
	user, _ := c.userID() // of a verified ticket
	issued := c.IssuedAt.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	every, found := r.until[revoked{network, user, ""}]
	if found && issued <= every {
		return true
	}
	one, found := r.until[revoked{network, user, c.SID}]
	return found && issued <= one
}

// sessionsOf are a user's sessions on this node.
func (s *Server) sessionsOf(k userKey) (list []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byUser[k] == 0 {
		return nil
	}
	for key, sess := range s.sessions {
		if key.site == k.site && key.user == k.user {
			list = append(list, sess)
		}
	}
	return list
}

// revoke ends the session if its ticket is revoked.
func (s *session) revoke() {
	s.mu.Lock()
	over := s.server.revoked.covers(s.site.ID, s.claims)
	s.mu.Unlock()
	if over {
		s.send(nudgeFrame(0))
		s.end(ticketError("the ticket is revoked: ask WordPress"))
	}
}
