package server

import (
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// isConnID says what a page may call itself: 8 to 64 of A-Z a-z 0-9 _ -. "poll"
// stands for pages without a link.
func isConnID(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 64
}

// Open starts the session of a page, or resumes it within its grace.
func (s *Server) Open(r *http.Request, hello transport.Hello, out *transport.Outbox) (transport.Session, transport.Welcome, error) {
	sess, welcome, err := s.open(r, hello, out)
	if err != nil {
		s.refusals.log(s, r, err)
		return nil, welcome, err // not a nil *session
	}
	return sess, welcome, nil
}

func (s *Server) open(r *http.Request, hello transport.Hello, out *transport.Outbox) (*session, transport.Welcome, error) {
	var none transport.Welcome
	st, claims, err := admit(r, hello.Ticket, s.verifyTicket)
	if err != nil {
		return nil, none, err
	}
	if !isConnID(hello.Conn) {
		return nil, none, &transport.Bye{Code: transport.CodeProtocol, Reason: "conn must be 8 to 64 of A-Z a-z 0-9 _ -"}
	}
	if _, err := st.watch(r.Context()); err != nil { // may wait, so it comes before any lock
		return nil, none, unwatched(err)
	}
	id, _ := claims.UserID()
	sess, resumed, err := s.enter(st, sessionKey{st.ID, id, hello.Conn}, claims)
	if err != nil {
		return nil, none, err
	}
	cursor, err := sess.begin(claims, hello, out, resumed)
	if err != nil {
		return nil, none, err
	}
	return sess, transport.Welcome{Resumed: resumed, Cursor: cursor}, nil
}

// enter returns the session of a key, locked, and makes it if it is not there.
func (s *Server) enter(st *site, key sessionKey, claims *ticket.Claims) (*session, bool, error) {
	for {
		s.mu.Lock()
		sess, found := s.sessions[key]
		if err := s.full(key, found); err != nil {
			s.mu.Unlock()
			return nil, false, err
		}
		if !found {
			sess = &session{
				server: s, site: st, key: key, claims: claims,
				beats: rate.NewLimiter(beatsPerSecond, beatBurst),
			}
			sess.mu.Lock()
			sess.timer = time.AfterFunc(s.grace, sess.expire)
			s.sessions[key] = sess
			s.byUser[userKey{key.site, key.user}]++
			s.mu.Unlock()
			return sess, false, nil
		}
		s.mu.Unlock()
		sess.mu.Lock()
		if !sess.ended {
			return sess, true, nil
		}
		sess.mu.Unlock()
		s.forget(sess) // it ended meanwhile: make a new one
	}
}

// full says why a page cannot come in: again, or as one more. It is called with
// s.mu held.
func (s *Server) full(key sessionKey, again bool) error {
	retry := 5*time.Second + rand.N(10*time.Second)
	switch {
	case s.draining:
		return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: retry}
	case again:
	case len(s.sessions) >= maxSessions:
		return &refusal{&transport.Bye{Code: transport.CodeTooMany, Reason: "this node has reached its limit of pages", RetryAfter: retry}, key.site, limitReached}
	case s.byUser[userKey{key.site, key.user}] >= maxUserSessions:
		return &refusal{&transport.Bye{Code: transport.CodeTooMany, Reason: "this user has too many pages open", RetryAfter: retry}, key.site, limitReached}
	}
	return nil
}

// begin starts what a hello asks for, and returns where the page stands in what
// is pushed. It is called with s.mu held, and gives it up.
func (s *session) begin(claims *ticket.Claims, hello transport.Hello, out *transport.Outbox, resumed bool) (cursor string, err error) {
	begun := false
	defer func() {
		if !begun {
			s.detach(out)
		}
		over := s.ended
		s.mu.Unlock()
		if over {
			s.server.forget(s)
		}
	}()
	s.attach(out)
	s.admit(claims)
	s.timer.Reset(time.Until(claims.ExpiresAt.Time))
	if hello.Body != "" {
		form := wordpress.ParseForm([]byte(hello.Body))
		s.report(form)
		s.note(form)
	}
	if err := s.hear(resumed); err != nil {
		return "", err
	}
	if err := s.confirm(); err != nil {
		s.finish(nil)
		return "", err
	}
	cursor = s.server.mailbox.enroll(s, hello.After)
	begun = true
	return cursor, nil
}

// confirm judges the page's ticket once more, when the session and its rooms can
// be found: a revocation that came since the ticket was verified found neither.
// One that comes later finds them, and waits for s.mu, which is held.
func (s *session) confirm() error {
	if s.server.tickets.Revoked(s.site.ID, s.claims) {
		return refuseRevoked(s.site.ID)
	}
	claims := s.server.tickets.WithoutRevokedRooms(s.site.ID, s.claims)
	if claims == s.claims {
		return nil
	}
	s.claims, s.user = claims, claims.User()
	return s.hear(false)
}

// attach gives the session a connection; one it may still have is replaced.
func (s *session) attach(out *transport.Outbox) {
	s.outMu.Lock()
	old := s.out
	s.out, s.stale, s.enrolling = out, nil, true
	s.outMu.Unlock()
	if old != nil {
		old.Bye(&transport.Bye{Code: transport.CodeReplaced, Reason: "this connection id came back on another connection"})
	}
	out.OnDrained(s.catchUp)
}

// Detach starts the grace when the session's connection is gone.
func (s *session) Detach(out *transport.Outbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.detach(out)
}

func (s *session) detach(out *transport.Outbox) {
	s.outMu.Lock()
	mine := s.out == out
	if mine {
		s.out = nil
	}
	s.outMu.Unlock()
	if mine && !s.ended {
		s.parted = time.Now()
		s.timer.Reset(s.server.grace)
	}
}

func (s *session) connected() bool {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	return s.out != nil
}
