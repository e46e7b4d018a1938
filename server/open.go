package server

import (
	"cmp"
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// isConnID reports whether a page may have a connection id: 8 to 64 of A-Z a-z 0-9 _ -.
// "poll" stands for pages without a link.
func isConnID(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 64
}

// Open implements transport.Server: it starts the session of a page, or resumes it within
// its grace period.
func (s *Server) Open(r *http.Request, hello transport.Hello, out *transport.Outbox) (transport.Session, transport.Welcome, error) {
	sess, welcome, err := s.open(r, hello, out)
	if err != nil {
		s.refusals.Refused(r, err)
		return nil, welcome, err // not a nil *session
	}
	s.metrics.Opened(cmp.Or(out.Transport(), overHTTP))
	return sess, welcome, nil
}

func (s *Server) open(r *http.Request, hello transport.Hello, out *transport.Outbox) (*session, transport.Welcome, error) {
	var none transport.Welcome
	s.revocations.Await(r.Context())
	st, claims, err := admit(r, hello.Ticket, s.verifyTicket)
	if err != nil {
		return nil, none, err
	}
	if !isConnID(hello.Conn) {
		return nil, none, refusal.NewBadHello(st.ID, "conn must be 8 to 64 of A-Z a-z 0-9 _ -")
	}
	if !s.broker.IsAlone() && s.broker.Arrive() == 0 {
		return nil, none, refusal.StoodStill(s.balancer.Retry())
	}
	if _, err := st.watch(r.Context()); err != nil { // may wait, so it comes before any lock
		return nil, none, refusal.Stopping(err)
	}
	after := hello.After
	if after == "" {
		after = s.replay.reach(r.Context(), s.broker)
	}
	id, _ := claims.UserID()
	sess, resumed, err := s.sessions.enter(&s.shared, st, sessionKey{st.ID, id, hello.Conn}, claims)
	if err != nil {
		return nil, none, err
	}
	cursor, err := sess.begin(s.replay, after, claims, hello, out, resumed)
	if err != nil {
		return nil, none, err
	}
	return sess, transport.Welcome{Resumed: resumed, Cursor: cursor}, nil
}

// begin starts the session as the hello asks, and returns the cursor that the page's pushes
// follow. It is called with s.mu held, and unlocks it.
func (s *session) begin(replay *replayBuffer, after string, claims *ticket.Claims, hello transport.Hello, out *transport.Outbox, resumed bool) (cursor string, err error) {
	begun := false
	defer func() {
		if !begun {
			s.disconnect(out)
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			s.forget(s)
		}
	}()
	s.connect(out, hello.Dates)
	s.accept(claims)
	s.timer.Reset(s.left())
	s.site.rooms.Notifier.Unsubscribe(s) // a page that resumes may have missed changes
	form := wordpress.ParseForm([]byte(hello.Body))
	switch {
	case claims.Rows != "":
		s.reportIdle(form)
		s.held.Show(s.rows(), pushtransport.IsVisible(form), !resumed && s.tickets.Now(s.site.ID).Sub(claims.IssuedAt.Time) < freshPage)
	case hello.Body != "":
		s.reportIdle(form)
		s.note(form)
	}
	if err := s.hear(resumed); err != nil {
		return "", err
	}
	if err := s.confirm(); err != nil {
		s.finish(nil, s.broker.Leave)
		return "", err
	}
	cursor = replay.subscribe(s, after)
	s.tellRows(resumed, hello.After != "")
	s.deposited = nil // a page with a new connection knows of none
	s.sendDeposits("", 0)
	begun = true
	return cursor, nil
}
