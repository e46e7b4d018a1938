package server

import (
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/pageentries"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// manySpread is the time over which the pages of more than one user ask WordPress
// for new tickets, in milliseconds.
const manySpread = 1000

// Renew implements transport.Session: the page no longer hears rooms that the newer ticket
// does not name.
func (s *session) Renew(raw string) error {
	siteID, claims, err := s.tickets.Verify(raw)
	if err != nil {
		return refusal.OfTicket(err)
	}
	return s.renew(siteID, claims)
}

func (s *session) renew(siteID string, claims *ticket.Claims) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, _ := claims.UserID(); siteID != s.key.site || id != s.key.user || claims.SID != s.claims.SID {
		return refusal.TicketError("the ticket is for another log-in: open a new connection with it")
	}
	if s.ended {
		return refusal.TicketError("the session has ended")
	}
	s.site.phpBeats.Count(s.claims, claims)
	s.accept(claims)
	if s.connected() {
		s.timer.Reset(s.left())
	}
	s.held.Update(s.rows())
	if err := s.hear(false); err != nil {
		return err
	}
	if err := s.confirm(); err != nil {
		return err // it ends the connection; endIfRevoked or the timer ends the session
	}
	s.sendDeposits("", 0)
	return nil
}

// accept takes a ticket's claims, and removes the page's entries in rooms that the user may no
// longer enter. It is called with s.mu held.
func (s *session) accept(claims *ticket.Claims) {
	s.keepEarlier(claims)
	s.claims, s.user = claims, claims.User()
	s.site.setCalls(claims)
	s.site.cron.Tell(claims.Cron, claims.IssuedAt.UnixMilli())
	s.last.Store(claims)
	s.entries = slices.DeleteFunc(s.entries, func(e pageentries.Entry) bool {
		may := s.user.MayEnter(e.Room)
		if !may {
			s.broker.Leave(s.keyOf(e.Room, e.ClientID))
		}
		return !may
	})
}

// hear joins the rooms that the ticket names and leaves the others. A page that resumes
// gets a snapshot of the rooms that it already heard. It is called with s.mu held.
func (s *session) hear(resumed bool) error {
	view, err := s.site.open()
	if err != nil {
		return refusal.Stopping(err)
	}
	names := s.user.Hears()
	s.rooms = slices.DeleteFunc(s.rooms, func(r *room.Room) bool {
		if i := slices.Index(names, r.Name()); i >= 0 {
			names = slices.Delete(names, i, i+1)
			if resumed {
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

// confirm checks again for revocations, after the session and its rooms were added: a
// revocation that arrived between the check of the ticket and now has not found them. A later
// one finds them, and waits for s.mu. It is called with s.mu held.
func (s *session) confirm() error {
	if s.tickets.Revoked(s.site.ID, s.claims) || s.site.now().Removed {
		return refusal.Revoked(s.site.ID)
	}
	_, err := s.withdrawRooms()
	return err
}

// withdrawRooms removes revoked rooms from the session, and reports whether there were any.
// The page's entries in them stay, since most pages get the room back with their next ticket.
// It is called with s.mu held.
func (s *session) withdrawRooms() (withdrawn bool, err error) {
	claims := s.tickets.WithoutRevokedRooms(s.site.ID, s.claims)
	if claims == s.claims {
		return false, nil
	}
	s.claims, s.user = claims, claims.User()
	return true, s.hear(false)
}

// left returns how long the page's ticket is valid. It is called with s.mu held.
func (s *session) left() time.Duration { return s.claims.ExpiresAt.Sub(s.tickets.Now(s.site.ID)) }

// Leave implements transport.Session: the user logs out.
func (s *session) Leave() { s.end(nil) }

// expire is called by the timer: the ticket or the grace period has expired.
func (s *session) expire() {
	s.mu.Lock()
	if left := s.left(); left > 0 && !s.ended && s.connected() {
		s.timer.Reset(left) // the page reconnected just as its grace period ended
		s.mu.Unlock()
		return
	}
	leave := s.broker.Leave
	if !s.connected() {
		leave = func(k presence.Key) { s.broker.Lost(k, s.disconnectedAt) }
	}
	s.finish(refusal.TicketError("ticket expired: reconnect with a newer one"), leave)
	s.mu.Unlock()
	s.forget(s)
}

// end ends the session and its entries.
func (s *session) end(bye *transport.Bye) {
	s.mu.Lock()
	s.finish(bye, s.broker.Leave)
	s.mu.Unlock()
	s.forget(s)
}

// finish is end with s.mu held; leave ends each entry. When s.mu is unlocked, another session of the
// same page may begin and write the same entries.
func (s *session) finish(bye *transport.Bye, leave func(presence.Key)) {
	if s.ended {
		return
	}
	for _, e := range s.entries {
		leave(s.keyOf(e.Room, e.ClientID))
	}
	s.held.Leave(s.rows(), s.disconnectedAt, leave)
	s.stop(bye)
}

// abandon ends the session but not its entries: the page reconnects to another node, or to
// this one after its restart.
func (s *session) abandon(bye *transport.Bye) {
	s.mu.Lock()
	if !s.ended {
		s.stop(bye)
	}
	s.mu.Unlock()
	s.forget(s)
}

// stop takes the page out of its rooms. It is called with s.mu held.
func (s *session) stop(bye *transport.Bye) {
	s.ended = true
	s.timer.Stop()
	s.site.locks.Forget(s)
	for _, r := range s.rooms {
		s.site.rooms.Leave(r, s)
	}
	for _, e := range s.entries {
		s.site.sync.Opened(s.keyOf(e.Room, e.ClientID))
	}
	s.entries, s.rooms = nil, nil
	s.site.rooms.Notifier.Unsubscribe(s)
	if bye != nil {
		s.bye(bye)
	}
}

// connect gives the session a connection, and ends the one that it has.
func (s *session) connect(out *transport.Outbox, dates bool) {
	out.Limit(s.clients.Max().MaxQueueBytes)
	if old := s.attach(out, dates); old != nil {
		old.Bye(&transport.Bye{Code: transport.CodeReplaced, Reason: "another connection was opened with the same connection id"})
	}
	out.OnDrained(s.catchUp)
	s.arrival = s.broker.Arrive()
	for i, e := range s.entries {
		s.entries[i].Taken = false
		s.site.sync.Opened(s.keyOf(e.Room, e.ClientID))
	}
}

// catchUp sends snapshots of the rooms of which frames did not fit.
func (s *session) catchUp() {
	for _, r := range s.takeStale() {
		r.CatchUp(s)
	}
}

// Detach implements transport.Session: it starts the grace period.
func (s *session) Detach(out *transport.Outbox) {
	s.metrics.Closed(out.Code())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect(out)
}

// disconnect is called with s.mu held.
func (s *session) disconnect(out *transport.Outbox) {
	if s.detach(out) && !s.ended {
		s.disconnectedAt = time.Now()
		s.arrival = 0
		s.timer.Reset(s.grace)
		s.held.Update(s.rows())
		for _, e := range s.entries {
			k := s.keyOf(e.Room, e.ClientID)
			s.broker.Disconnected(k)
			s.site.sync.Closed(k, s.key.user, s.disconnectedAt)
		}
	}
}

// leaveClosed removes an entry of the page unless the page has connected again.
func (s *session) leaveClosed(room, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && !s.connected() {
		s.broker.Leave(s.keyOf(room, clientID))
	}
}

// endIfRevoked ends the session if its ticket is revoked. many says that the revocation
// concerns the pages of more than one user.
func (s *session) endIfRevoked(many bool) {
	s.mu.Lock()
	revoked := s.tickets.Revoked(s.site.ID, s.claims)
	s.mu.Unlock()
	if revoked {
		s.Send(room.NudgeFrame(spread(many), false))
		s.end(refusal.TicketError("ticket revoked: get a new one from WordPress"))
	}
}

// withdraw removes revoked rooms from the session. If there were any, it nudges the page,
// which then gets a new ticket from WordPress.
func (s *session) withdraw() {
	s.mu.Lock()
	withdrawn, err := false, error(nil)
	if !s.ended {
		withdrawn, err = s.withdrawRooms()
	}
	s.mu.Unlock()
	if withdrawn && err == nil {
		s.Send(room.NudgeFrame(spread(true), true))
	}
}

// spread returns the time, in milliseconds, over which pages ask WordPress for new tickets.
func spread(many bool) int {
	if many {
		return manySpread
	}
	return 0
}
