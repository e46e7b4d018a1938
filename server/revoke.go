package server

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// manySpread is the time over which the pages of more than one user ask WordPress
// for new tickets, in milliseconds.
const manySpread = 1000

// revocation ends tickets that were issued until a time: those of a user or of
// one of their log-ins, those that name a room, or all of a site.
type revocation struct {
	User  int64  `json:"user,omitempty"`
	SID   string `json:"sid,omitempty"`
	Room  string `json:"room,omitempty"`
	Until int64  `json:"until_ms"` // Unix ms, by the clock of the WordPress that says it
}

// revocations are the tickets that are no longer good, though not yet over.
type revocations struct {
	server *Server

	mu    sync.Mutex // guards the following fields
	until map[revoked]int64
	swept time.Time
}

// revoked is a revocation as it is remembered. Users are the network's (see
// networkOf), and have no room; rooms are the site's, and have no user.
type revoked struct {
	site string
	user int64
	sid  string // empty: every log-in
	room string // empty, with no user: every ticket
}

// hear takes a revocation: it holds for tickets that come, and ends the
// sessions that came with one. Their pages are nudged to ask PHP at once.
func (r *revocations) hear(sig broker.Signal) {
	var v revocation
	if err := json.Unmarshal(sig.Data, &v); err != nil {
		r.server.log.Warn("a revocation on NATS is not one", "error", err)
		return
	}
	k := revoked{site: sig.Site, room: v.Room}
	if v.User != 0 {
		k = revoked{site: r.server.networkOf(sig.Site), user: v.User, sid: v.SID}
	}
	r.mu.Lock()
	if r.until == nil {
		r.until = make(map[revoked]int64)
	}
	r.sweep(time.Now())
	r.until[k] = max(r.until[k], v.Until)
	r.mu.Unlock()
	if k.room != "" {
		r.withdraw(k)
		return
	}
	for _, s := range r.concerned(k) {
		s.revoke(k.user == 0)
	}
}

// withdraw takes a room from the pages that hear it, until WordPress gives it
// to them anew: they stay where they are otherwise.
func (r *revocations) withdraw(k revoked) {
	st := r.server.site(k.site)
	if st == nil {
		return
	}
	for _, s := range st.hearers(k.room) {
		s.withdraw()
	}
}

// concerned are this node's sessions of the user, or of everybody on the site.
func (r *revocations) concerned(k revoked) (list []*session) {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for key, s := range r.server.sessions {
		if k.user == 0 && key.site == k.site || k.user != 0 && key.user == k.user && s.site.network == k.site {
			list = append(list, s)
		}
	}
	return list
}

// sweep forgets, once a minute, what no ticket can be covered by any more.
func (r *revocations) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for k, until := range r.until {
		if now.Sub(time.UnixMilli(until)) > TicketLife+2*clockSkew {
			delete(r.until, k)
		}
	}
}

// covers says whether a ticket is revoked.
func (r *revocations) covers(site string, c *Claims) bool {
	network := r.server.networkOf(site)
	user, _ := c.userID() // of a verified ticket
	issued := c.IssuedAt.UnixMilli()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) == 0 {
		return false
	}
	for _, k := range []revoked{{site: site}, {site: network, user: user}, {site: network, user: user, sid: c.SID}} {
		if until, found := r.until[k]; found && issued <= until {
			return true
		}
	}
	return false
}

// strip returns a ticket without the rooms that were revoked after it was issued:
// the same, if there are none. What is left of it says less than WordPress knows,
// so WordPress answers its beats.
func (r *revocations) strip(site string, c *Claims) *Claims {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) == 0 {
		return c
	}
	gone := func(room string) bool {
		until, found := r.until[revoked{site: site, room: room}]
		return found && c.IssuedAt.UnixMilli() <= until
	}
	if !slices.ContainsFunc(c.Rooms, gone) {
		return c
	}
	less := *c
	less.who, less.Native = nil, nil
	less.Rooms = slices.DeleteFunc(slices.Clone(c.Rooms), gone)
	less.who = less.user()
	return &less
}

// revoke ends the session if its ticket is revoked, one of many perhaps.
func (s *session) revoke(many bool) {
	s.mu.Lock()
	over := s.server.revoked.covers(s.site.ID, s.claims)
	s.mu.Unlock()
	if over {
		s.send(nudgeFrame(spread(many)))
		s.end(ticketError("the ticket is revoked: ask WordPress"))
	}
}

// withdraw takes the rooms that were revoked from the session. What the page says
// of itself there stays: most get the room back with their next ticket.
func (s *session) withdraw() {
	s.mu.Lock()
	claims := s.server.revoked.strip(s.site.ID, s.claims)
	stripped := !s.ended && claims != s.claims
	var err error
	if stripped {
		s.claims, s.user = claims, claims.user()
		err = s.hear(false)
	}
	s.mu.Unlock()
	if stripped && err == nil {
		s.send(nudgeFrame(spread(true)))
	}
}

// spread is the time over which pages ask WordPress for new tickets.
func spread(many bool) int {
	if many {
		return manySpread
	}
	return 0
}
