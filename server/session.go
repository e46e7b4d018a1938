package server

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/metrics"
	"github.com/heartbeatd/heartbeatd/server/pageentries"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// defaultGrace is how long a page's entries outlive its connection, so that a click
	// in the admin is not a leave and a join.
	defaultGrace = 10 * time.Second
	// nudgeInterval is the least time between two lists of active posts, or two nudges because
	// of them, of a page whose beats are answered here; phpNudgeInterval, between two nudges of
	// one whose last beat PHP answered.
	nudgeInterval    = time.Second
	phpNudgeInterval = 5 * time.Second
)

// shared is what the sessions of a node have in common.
type shared struct {
	broker   *broker.Broker
	tickets  *ticket.Verifier
	pipeline *pipeline.Pipeline
	metrics  *metrics.Metrics
	refusals *refusal.Log
	deposits *deposit.Store
	clients  *limit.Clients
	grace    time.Duration
	forget   func(*session) // removes a session that has ended
	wakeRows func()         // wakes the goroutine that holds rows
}

// session is the server's state for one browser page, known by its site, its user and its
// connection id. It outlives its connection by the grace period. session.go has what a
// page sends, and lifecycle.go how a session changes and ends.
type session struct {
	*shared
	outlet
	site  *site
	key   sessionKey
	beats *rate.Limiter                 // PHP answers the beats above the limit
	last  atomic.Pointer[ticket.Claims] // of the last ticket, for those that do not hold mu
	moved atomic.Int64                  // Unix s: when the page was last asked to go to another node

	mu             sync.Mutex // guards the following fields
	claims         *ticket.Claims
	earlier        []*ticket.Claims // from newest to oldest, for what they say about single posts
	user           *hook.User
	entries        pageentries.List
	arrival        broker.Arrival // of its connection; 0 without one
	rooms          []*room.Room   // rooms that the page hears
	focusedAt      int64          // Unix ms: when it last beat with the focus
	disconnectedAt time.Time      // when it last lost its connection
	timer          *time.Timer    // ends the session: at exp, or after the grace period
	ended          bool
	idle           presence.Activity // as the page reported it last
	values         []deposit.Held    // handles that have a value for the page
	deposited      []string          // the same as the page was told last, if its ticket allows them
	wantsFrames    bool              // it asked for active posts in frames
	held           pushtransport.Page
}

type sessionKey struct {
	site string
	user int64
	conn string
}

// Beat implements transport.Session.
func (s *session) Beat(_ context.Context, received transport.Beat) transport.Tick {
	began := time.Now()
	form := wordpress.ParseForm(received.Body)
	now := s.tickets.Now(s.site.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &beat{Call: hook.Call{User: s.user, Post: form, Now: s.broker.Now(), Nonces: s.claims}, site: s.site, claims: s.claims, earlier: s.earlier, tickets: s.tickets, entries: s}
	b.read()
	b.readDeposits(s.deposits, s.claims, s.pipeline.Hooks())
	if cause := s.whyPHP(b, now); cause != "" {
		s.refusals.Declined(s.site.network, cause)
		if s.misses(&b.Call) {
			s.sendDeposits("", 0)
		}
		return transport.Tick{Decline: true}
	}
	s.entries.ClearPinged()
	tick := s.pipeline.Answer(&b.Call)
	s.stopRenewing()
	s.subscribeActivePosts(b.Data, nudgeInterval, true)
	s.metrics.Answered(len(b.Deposits) > 0, ticket.Repeats(&b.Call), time.Since(began))
	s.site.phpBeats.CountNative()
	s.site.locks.Beat(s, s.claims, b.Data, began)
	return tick
}

// whyPHP returns why PHP must answer a beat, or an empty string. It is called with s.mu held.
func (s *session) whyPHP(b *beat, now time.Time) (cause string) {
	switch {
	case s.ended:
		return refusal.SessionEnded
	case !s.beats.Allow():
		s.metrics.Limited(limit.Beats)
		return refusal.TooManyBeats
	}
	return b.whyPHP(s.claims, s.pipeline.Hooks(), true, now)
}

// Note implements transport.Session.
func (s *session) Note(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if !s.beats.Allow() {
		s.metrics.Limited(limit.Beats)
		return
	}
	if form := wordpress.ParseForm(body); !s.reportIdle(form) {
		s.note(form)
	}
}

// note takes the presence handles of a beat that went to PHP. It is called with s.mu held.
func (s *session) note(form *wordpress.Array) {
	if s.claims.Rows != "" {
		s.held.Show(s.rows(), pushtransport.IsVisible(form), false)
		return
	}
	b := &beat{Call: hook.Call{User: s.user, Post: form, Now: s.broker.Now()}, site: s.site, entries: s}
	b.read()
	s.entries.ClearPinged()
	pipeline.Ping(&b.Call)
	s.stopRenewing()
	s.subscribeActivePosts(b.Data, phpNudgeInterval, false)
}

// reportIdle takes from a note or a hello whether the user is idle. It reports whether the
// user has just become idle: the handles of such a note are ignored, so that the page's
// entries keep the date of its last beat. It is called with s.mu held.
func (s *session) reportIdle(form *wordpress.Array) bool {
	was := s.idle
	switch form.String("idle") {
	case "0":
		s.idle = presence.Active
	case "1":
		s.idle = presence.Idle
	}
	if s.idle != presence.Idle || was != presence.Active {
		return false
	}
	for _, e := range s.entries {
		s.broker.SetIdle(s.keyOf(e.Room, e.ClientID))
	}
	s.held.SetIdle(s.broker)
	return true
}

// write implements entryWriter: the entry is renewed while the page pings for it. Only the
// first beat since the hello, or the hello itself, takes the entry over from another node: a
// later beat may be an old one of a page that has connected to another node since. write is
// called by hooks of the page's beat, with s.mu held.
func (s *session) write(c *hook.Call, e presence.Entry) error {
	if c.Focus {
		s.focusedAt = c.Now.UnixMilli()
	}
	e.Idle = s.idle
	k, value := s.keyOf(e.Room, e.ClientID), presence.Stored{Entry: e, FocusedAt: s.focusedAt}
	own := s.entries.Add(k)
	if own.Taken {
		return s.broker.Hold(k, value)
	}
	err := s.broker.TakeOver(k, value, s.arrival)
	own.Taken = err == nil
	return err
}

// keyOf returns the key of an entry of the page.
func (s *session) keyOf(room, clientID string) presence.Key {
	return presence.Key{Site: s.site.ID, Room: room, ClientID: clientID, Conn: s.key.conn}
}

// stopRenewing lets entries that the page's last beat did not ping for expire, as the
// Presence API does: the tab is hidden.
func (s *session) stopRenewing() {
	for _, e := range s.entries {
		if !e.Pinged {
			s.broker.StopRenewing(s.keyOf(e.Room, e.ClientID))
		}
	}
}

// release removes an entry from the session: the page has lost its link, and now writes the
// entry by POST.
func (s *session) release(k presence.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.Remove(k)
}

// keeps reports whether the page's link renews an entry, or did until just now: what PHP
// writes for a beat arrives seconds after it, and the page may have closed meanwhile. An
// entry that is no longer renewed, because the page has lost its link, is given up.
func (s *session) keeps(k presence.Key) bool {
	linked := s.connected()
	s.mu.Lock()
	defer s.mu.Unlock()
	if linked || time.Since(s.disconnectedAt) < s.grace/2 {
		i := s.entries.Find(k)
		return i >= 0 && s.entries[i].Pinged
	}
	s.entries.Remove(k)
	return false
}

// targets returns all targets of pushes that include the page. It is called with s.mu held.
func (s *session) targets() []message.Target {
	all := []message.Target{{All: true}, {User: s.key.user}}
	for _, r := range s.rooms {
		all = append(all, message.Target{Room: r.Name()})
	}
	for _, capability := range s.last.Load().Can {
		all = append(all, message.Target{Can: capability})
	}
	return all
}

// isTarget reports whether a target other than a room includes the page.
func (s *session) isTarget(to message.Target) bool {
	switch {
	case to.All:
		return true
	case to.User != 0:
		return to.User == s.key.user
	}
	last := s.last.Load()
	return to.Can != "" && last != nil && slices.Contains(last.Can, to.Can)
}

// UserID implements room.Listener.
func (s *session) UserID() int64 { return s.key.user }

// Offer implements room.Listener. Entries of admin/online say where users are.
func (s *session) Offer(r *room.Room, frame []byte, minor bool) {
	if last := s.last.Load(); last == nil || !last.NoLocations || r.Name() != wordpress.AdminRoom {
		s.outlet.Offer(r, frame, minor)
	}
}
