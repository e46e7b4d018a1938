package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// grace is how long a page's entries outlive its connection, so that a
	// click in the admin is not a leave and a join.
	grace = 10 * time.Second
	// beatsPerSecond and beatBurst bound what one page may ask. A page beats
	// every 5 s at the fastest; what is above goes to PHP, which has limits
	// of its own.
	beatsPerSecond = 5
	beatBurst      = 30
	// nudgePace is the least time between two nudges of a page whose beats are
	// answered here; phpNudgePace, of one whose beats PHP answers.
	nudgePace    = time.Second
	phpNudgePace = 5 * time.Second
)

// session is the server's state for one browser page, known by its site, its
// user and its connection id. It outlives its connection by the grace.
type session struct {
	server *Server
	site   *site
	key    sessionKey
	beats  *rate.Limiter

	mu        sync.Mutex // guards the following fields
	claims    *ticket.Claims
	user      *hook.User
	held      held
	rooms     []*room.Room // rooms that this page hears
	focusedAt int64
	parted    time.Time   // when it last lost its connection
	timer     *time.Timer // ends the session: at exp, or after the grace
	ended     bool
	idle      broker.Activity // as the page reported it last

	outMu     sync.Mutex // guards the following fields
	out       *transport.Outbox
	stale     []*room.Room // rooms whose changes did not fit: they need a snapshot
	can       []string
	enrolling bool          // the mailbox will send what the page missed, and what is pushed meanwhile
	pushed    broker.Cursor // the page has had, or been sent, what was pushed until there
}

type sessionKey struct {
	site string
	user int64
	conn string
}

// Beat answers a beat, or leaves it to PHP.
func (s *session) Beat(_ context.Context, received transport.Beat) transport.Tick {
	form := wordpress.ParseForm(received.Body)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &beat{Call: hook.Call{User: s.user, Post: form, Now: now, Nonces: s.claims}, site: s.site, entries: s}
	b.read()
	if s.ended || !s.beats.Allow() || !s.claims.MayAnswer(&b.Call, s.server.pipeline.hooks, true) || !b.readActivePosts() || s.site.cron.claim(now) {
		s.server.metrics.declined.Inc()
		return transport.Tick{Decline: true}
	}
	s.unping()
	tick := s.server.pipeline.ajax(&b.Call)
	s.lapse()
	s.subscribe(b.Data, nudgePace)
	s.server.metrics.answered.Inc()
	return tick
}

// Note takes what a page says beside its beats: the presence handles of one that
// went to PHP, and whether the user is idle.
func (s *session) Note(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !s.beats.Allow() {
		return
	}
	if form := wordpress.ParseForm(body); !s.report(form) {
		s.note(form)
	}
}

func (s *session) note(form *wordpress.Array) {
	b := &beat{Call: hook.Call{User: s.user, Post: form, Now: time.Now()}, site: s.site, entries: s}
	b.read()
	s.unping()
	ping(&b.Call)
	s.lapse()
	s.subscribe(b.Data, phpNudgePace)
}

// subscribe has a page that shows active posts nudged when they change: one whose last
// beat asked for them.
func (s *session) subscribe(data *wordpress.Array, pace time.Duration) {
	if n := &s.site.rooms.Notifier; s.user.EditPosts && !wordpress.Empty(data.Get(activeHandle)) {
		n.Subscribe(s, pace)
	} else {
		n.Unsubscribe(s)
	}
}

// write writes an entry of this page, and renews it while the page pings for it.
// It is called by the pipeline, with s.mu held.
func (s *session) write(c *hook.Call, e broker.Entry) {
	if c.Focus {
		s.focusedAt = c.Now.UnixMilli()
	}
	e.Idle = s.idle
	k := s.keyOf(e.Room, e.ClientID)
	s.held.keep(k)
	s.server.broker.Hold(k, broker.Stored{Entry: e, FocusedAt: s.focusedAt})
}

// keyOf is the key under which the page writes an entry.
func (s *session) keyOf(room, clientID string) broker.Key {
	return broker.Key{Site: s.site.ID, Room: room, ClientID: clientID, Conn: s.key.conn}
}

// yield gives up an entry that the page, whose link is gone, now writes by POST.
func (s *session) yield(k broker.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.forget(k)
}

// keeps says whether the page's link keeps an entry, or kept it until just now:
// what PHP writes for a beat comes seconds after it, and the page may have closed
// meanwhile. One that it no longer keeps, because the link is gone, it gives up.
func (s *session) keeps(k broker.Key) bool {
	linked := s.connected()
	s.mu.Lock()
	defer s.mu.Unlock()
	if linked || time.Since(s.parted) < s.server.grace/2 {
		i := s.held.find(k)
		return i >= 0 && s.held[i].pinged
	}
	s.held.forget(k)
	return false
}

// unping forgets what the page's last beat pinged for.
func (s *session) unping() {
	for i := range s.held {
		s.held[i].pinged = false
	}
}

// lapse lets what the page no longer pings for live out its TTL, as in the
// Presence API: the tab is hidden.
func (s *session) lapse() {
	for _, e := range s.held {
		if !e.pinged {
			s.server.broker.StopRenewing(s.keyOf(e.room, e.clientID))
		}
	}
}

// Renew takes a newer ticket: rooms that it no longer names fall silent.
func (s *session) Renew(ticket string) error {
	st, claims, err := s.server.verifyTicket(ticket)
	if err != nil {
		return err
	}
	return s.renew(st, claims)
}

func (s *session) renew(st *site, claims *ticket.Claims) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, _ := claims.UserID(); st != s.site || id != s.key.user || claims.SID != s.claims.SID {
		return ticketError("the ticket is somebody else's: open a new connection with it")
	}
	if s.ended {
		return ticketError("the session is over")
	}
	s.admit(claims)
	if s.connected() {
		s.timer.Reset(time.Until(claims.ExpiresAt.Time))
	}
	if err := s.hear(false); err != nil {
		return err
	}
	return s.confirm() // the error ends the connection; revoke or the grace ends the session
}

// admit takes a ticket's claims, and what the page no longer may hold goes.
func (s *session) admit(claims *ticket.Claims) {
	s.claims, s.user = claims, claims.User()
	s.site.sync.SetURL(claims.Sync, claims.IssuedAt.Time)
	s.site.cron.tell(claims.Cron, claims.IssuedAt.UnixMilli())
	s.outMu.Lock()
	s.can = claims.Can
	s.outMu.Unlock()
	s.held = slices.DeleteFunc(s.held, func(e heldEntry) bool {
		may := s.user.MayEnter(e.room)
		if !may {
			s.server.broker.Leave(s.keyOf(e.room, e.clientID))
		}
		return !may
	})
}

// hear joins the rooms that the ticket names and leaves the others. A page that
// comes back gets the rooms that it had as they are now.
func (s *session) hear(back bool) error {
	view, err := s.site.open()
	if err != nil {
		return unwatched(err)
	}
	names := s.user.Hears()
	s.rooms = slices.DeleteFunc(s.rooms, func(r *room.Room) bool {
		if i := slices.Index(names, r.Name()); i >= 0 {
			names = slices.Delete(names, i, i+1)
			if back {
				r.CatchUp(s)
			}
			return false
		}
		s.site.rooms.Leave(r, s)
		return true
	})
	for _, name := range names {
		s.rooms = append(s.rooms, s.site.rooms.Join(name, view, s))
	}
	return nil
}

// unwatched is the end of a page that comes when the broker has been closed.
func unwatched(err error) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away: " + err.Error(), RetryAfter: time.Second}
}

// Leave ends the page's presence at once: somebody logs out.
func (s *session) Leave() { s.end(nil) }

// expire is what the timer does: the ticket is over, or the grace is.
func (s *session) expire() {
	s.mu.Lock()
	if left := time.Until(s.claims.ExpiresAt.Time); left > 0 && !s.ended && s.connected() {
		s.timer.Reset(left) // it came back just when its grace ended
		s.mu.Unlock()
		return
	}
	s.finish(ticketError("the ticket is over: come back with a newer one"))
	s.mu.Unlock()
	s.server.forget(s)
}

// end takes the page out of everything.
func (s *session) end(bye *transport.Bye) {
	s.mu.Lock()
	s.finish(bye)
	s.mu.Unlock()
	s.server.forget(s)
}

// finish is end with s.mu held. When it is done a session of the same page may
// begin, and hold the same entries.
func (s *session) finish(bye *transport.Bye) {
	if s.ended {
		return
	}
	for _, e := range s.held {
		s.server.broker.Leave(s.keyOf(e.room, e.clientID))
	}
	s.stop(bye)
}

// abandon ends the session but not its entries: the page comes back to
// another node, or to this one restarted.
func (s *session) abandon(bye *transport.Bye) {
	s.mu.Lock()
	if !s.ended {
		s.stop(bye)
	}
	s.mu.Unlock()
	s.server.forget(s)
}

// stop takes the page out of what is on this node. It is called with s.mu held.
func (s *session) stop(bye *transport.Bye) {
	s.ended = true
	s.timer.Stop()
	for _, r := range s.rooms {
		s.site.rooms.Leave(r, s)
	}
	s.held, s.rooms = nil, nil
	s.site.rooms.Notifier.Unsubscribe(s)
	if bye != nil {
		s.bye(bye)
	}
}

// bye ends the session's connection, if it has one.
func (s *session) bye(b *transport.Bye) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if s.out != nil {
		s.out.Bye(b)
	}
}

// Offer implements room.Listener. A page that is too slow for the frame gets a snapshot
// when it has caught up.
func (s *session) Offer(r *room.Room, frame []byte) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if s.out == nil || slices.Contains(s.stale, r) {
		return
	}
	if !s.out.Offer(frame) {
		s.stale = append(s.stale, r)
	}
}

// Send implements room.Listener: the frame must arrive, or the connection ends.
func (s *session) Send(frame []byte) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if s.out != nil {
		s.out.Send(frame)
	}
}

// Deliver implements room.Listener. A push that the page was sent before, or that the
// replay buffer will send it, is left out.
func (s *session) Deliver(frame []byte, at broker.Cursor) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	push := at != broker.Cursor{}
	had := s.enrolling || at.Epoch == s.pushed.Epoch && at.Seq <= s.pushed.Seq
	if s.out != nil && !(push && had) {
		s.out.Send(frame)
	}
}

// follow has the session get what is pushed after a cursor.
func (s *session) follow(had broker.Cursor) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.enrolling, s.pushed = false, had
}

// wants says whether a target other than a room includes the session's user.
func (s *session) wants(to message.Target) bool {
	if to.All || to.User != 0 {
		return to.All || to.User == s.key.user
	}
	s.outMu.Lock()
	defer s.outMu.Unlock()
	return to.Can != "" && slices.Contains(s.can, to.Can)
}

// hearsRoom says whether the page hears a room. It is called with s.mu held.
func (s *session) hearsRoom(name string) bool {
	return slices.ContainsFunc(s.rooms, func(r *room.Room) bool { return r.Name() == name })
}

// catchUp sends snapshots of the rooms whose changes did not fit.
func (s *session) catchUp() {
	s.outMu.Lock()
	rooms := s.stale
	s.stale = nil
	s.outMu.Unlock()
	for _, r := range rooms {
		r.CatchUp(s)
	}
}
