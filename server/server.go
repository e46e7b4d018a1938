// Package server answers beats. It owns the sessions, the pipeline with its
// hooks, the rooms, the tickets and the HTTP routes.
//
// A beat goes this way, and nothing calls back:
//
//	routes.go      a request, by its path, to a transport
//	transport      bytes to Beat
//	session.go     Beat: may it be answered here, or is it PHP's?
//	pipeline.go    the hooks, in WordPress's order; Call to Tick
//	presence.go    the hooks that are ours: who is here
//	online.go      the answer: who is online
//	postrooms.go   and who edits a post, or has its lock
//	activeposts.go which posts are being edited
//	broker         an entry on NATS; its change comes back to every node
//	site.go        the change, to whom it concerns
//	rooms.go       changes, gathered, to the sessions that hear the room
//	nudges.go      a nudge, to pages that show active posts
//	transport      Tick and frames to bytes
//
// Beside that path back ends read and write the same rooms: api.go and
// presenceapi.go over HTTP, sync.go and synccall.go with the table of the
// Presence API plugin.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxSessions bounds the pages of one node.
	maxSessions = 200_000
	// maxUserSessions bounds the pages of one user on one node.
	maxUserSessions = 200
)

// Config is what a Server is made of.
type Config struct {
	Broker   *broker.Broker
	Sites    []Site
	Demo     *Demo  // nil: no demo site
	BasePath string // where the transports are: /heartbeat
	Scripts  fs.FS  // heartbeat.js and what else clients load
	Hooks    Hooks  // hooks besides our own
	Logger   *slog.Logger
	// TrustedProxies are the web servers whose X-Forwarded headers are believed.
	TrustedProxies []netip.Prefix

	// APIKey is the operator's key for the API of every site; empty: none.
	APIKey string

	grace     time.Duration // grace, where a test has not another
	syncEvery time.Duration // syncEvery, likewise
}

// Server is one node.
type Server struct {
	broker   *broker.Broker
	sites    map[string]*site // as configured
	demo     *Demo
	pipeline *pipeline
	log      *slog.Logger
	metrics  *metrics
	mailbox  *mailbox
	revoked  *revocations
	tickets  vouched
	refusals refusals
	lists    lists
	apiKey   string

	socket   *transport.WebSocket
	longpoll *transport.LongPoll
	base     string
	scripts  fs.FS
	grace    time.Duration

	membersMu sync.Mutex // guards members
	members   map[string]*site

	mu       sync.Mutex // guards the following fields
	sessions map[sessionKey]*session
	byUser   map[userKey]int // how many sessions a user has
	draining bool
	stop     chan struct{}
	stopped  sync.WaitGroup
}

type userKey struct {
	site string
	user int64
}

// New makes a node. Close ends it.
func New(c Config) (*Server, error) {
	hooks := c.Hooks.clone()
	if !strings.HasPrefix(c.BasePath, "/") || strings.HasSuffix(c.BasePath, "/") {
		return nil, fmt.Errorf("the base path %q must begin with / and not end with it", c.BasePath)
	}
	s := &Server{
		broker: c.Broker, sites: make(map[string]*site), members: make(map[string]*site), demo: c.Demo,
		pipeline: &pipeline{hooks: &hooks}, log: c.Logger,
		apiKey: c.APIKey, base: c.BasePath, scripts: c.Scripts, grace: cmp.Or(c.grace, grace),
		sessions: make(map[sessionKey]*session), byUser: make(map[userKey]int),
		stop: make(chan struct{}),
	}
	s.metrics = newMetrics(s)
	hooks.Add("wp_ajax_heartbeat", 1, s.pipeline.heartbeat)
	hooks.Add("wp_ajax_nopriv_heartbeat", 1, s.pipeline.heartbeatNopriv)
	addPresence(&hooks)
	sites := c.Sites
	if c.Demo != nil {
		c.Demo.addHooks(&hooks)
		sites = append(sites, c.Demo.site())
	}
	for _, st := range sites {
		if len(st.Secrets) == 0 || len(st.Secrets) > 2 {
			return nil, fmt.Errorf("site %q needs one secret, or two while one replaces the other", st.ID)
		}
		if st.ID == "" || s.sites[st.ID] != nil {
			return nil, fmt.Errorf("site id %q is empty or there twice", st.ID)
		}
		s.sites[st.ID] = newSite(st, c.Broker)
		if st.Upstream != "" {
			up, err := newUpstream(st.Upstream, c.TrustedProxies, c.Logger)
			if err != nil {
				return nil, fmt.Errorf("site %q: %w", st.ID, err)
			}
			s.sites[st.ID].upstream = up
		}
	}
	s.mailbox = &mailbox{server: s, log: c.Logger}
	s.revoked = &revocations{server: s}
	c.Broker.Hear(broker.Pushes, s.mailbox.deliver)
	c.Broker.Hear(broker.Revocations, s.revoked.hear)
	s.socket = &transport.WebSocket{Server: s, CheckOrigin: s.knownOrigin}
	s.longpoll = &transport.LongPoll{Server: s}
	s.stopped.Go(s.tend)
	s.stopped.Go(func() { newSyncer(s, cmp.Or(c.syncEvery, syncEvery)).run(s.stop) })
	return s, nil
}

// tend lets sites rest that nobody uses.
func (s *Server) tend() {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, st := range s.allSites() {
				st.rest()
			}
			s.forgetMembers()
		case <-s.stop:
			return
		}
	}
}

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
	id, _ := claims.userID()
	sess, resumed, err := s.enter(st, sessionKey{st.ID, id, hello.Conn}, claims)
	if err != nil {
		return nil, none, err
	}
	defer sess.mu.Unlock()
	sess.attach(out)
	sess.admit(claims)
	sess.timer.Reset(time.Until(claims.ExpiresAt.Time))
	if hello.Body != "" {
		sess.note([]byte(hello.Body))
	}
	if _, err := st.watch(r.Context()); err != nil { // may take a while: not while pushes wait
		sess.detach(out)
		return nil, none, unwatched(err)
	}
	cursor, err := s.mailbox.enroll(sess, hello.After, func() error { return sess.hear(resumed) })
	if err != nil {
		sess.detach(out)
		return nil, none, err
	}
	return sess, transport.Welcome{Resumed: resumed, Cursor: cursor}, nil
}

// enter returns the session of a key, locked, and makes it if it is not there.
func (s *Server) enter(st *site, key sessionKey, claims *Claims) (*session, bool, error) {
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
		return &refusal{&transport.Bye{Code: transport.CodeTooMany, Reason: "this node has its fill of pages", RetryAfter: retry}, key.site, limitReached}
	case s.byUser[userKey{key.site, key.user}] >= maxUserSessions:
		return &refusal{&transport.Bye{Code: transport.CodeTooMany, Reason: "this user has too many pages open", RetryAfter: retry}, key.site, limitReached}
	}
	return nil
}

// sessionOf is the session of a page on this node, or nil.
func (s *Server) sessionOf(key sessionKey) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[key]
}

// forget takes a session out of the map.
func (s *Server) forget(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[sess.key] != sess {
		return
	}
	delete(s.sessions, sess.key)
	u := userKey{sess.key.site, sess.key.user}
	if s.byUser[u]--; s.byUser[u] == 0 {
		delete(s.byUser, u)
	}
}

// Drain says bye to every page, paced over d, and takes no new ones. Their
// entries stay: the pages come back elsewhere within the grace.
func (s *Server) Drain(ctx context.Context, d time.Duration) {
	s.mu.Lock()
	s.draining = true
	all := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		all = append(all, sess)
	}
	s.mu.Unlock()
	// Few pages need not be spread over all of d.
	pace := min(d/time.Duration(max(1, len(all))), 50*time.Millisecond)
	started := time.Now()
	for i, sess := range all {
		sess.bye(&transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: time.Millisecond + rand.N(d+time.Second)})
		ahead := time.Until(started.Add(time.Duration(i+1) * pace))
		if ahead < time.Millisecond {
			continue // shorter waits take longer than they say
		}
		select {
		case <-time.After(ahead):
		case <-ctx.Done():
			s.log.Warn("draining was cut short", "pages left", len(all)-i-1)
			return
		}
	}
}

// Close ends everything that New started. The HTTP servers must be closed.
func (s *Server) Close() {
	close(s.stop)
	s.stopped.Wait()
	s.mu.Lock()
	s.draining = true
	for _, sess := range s.sessions {
		sess.abandon(&transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: time.Second})
	}
	s.mu.Unlock()
	s.socket.Wait()
	s.longpoll.Close()
	for _, st := range s.allSites() {
		st.close()
	}
}

// ready is nil, or why no traffic should come here.
func (s *Server) ready() error {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return errors.New("draining")
	}
	return s.broker.Ready()
}
