// Package server answers beats. It owns the sessions, the pipeline with its
// hooks, the rooms, the tickets and the HTTP routes.
//
// A beat goes this way, and nothing calls back:
//
//	routes.go      a request, by its path, to a transport
//	origin.go      is it from a page of the site?
//	open.go        a hello to a session: ticket.go checks its ticket, claims.go
//	               reads it, refusal.go says why not
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
// What a page reports of its user's input comes by hellos and notes: idle.go.
// cron.go leaves a beat to PHP when a scheduled event is due.
//
// Beside that path back ends read and write the same rooms: package restapi over HTTP,
// package presencesync with the table of the Presence API plugin.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
	"github.com/heartbeatd/heartbeatd/server/proxy"
	"github.com/heartbeatd/heartbeatd/server/ticket"
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
	Demo     *Demo      // nil: no demo site
	BasePath string     // where the transports are: /heartbeat
	Scripts  fs.FS      // heartbeat.js and what else clients load
	Hooks    hook.Hooks // hooks besides our own
	Logger   *slog.Logger
	// TrustedProxies are the web servers whose X-Forwarded headers are believed.
	TrustedProxies []netip.Prefix

	// APIKey is the operator's key for the API of every site; empty: none.
	APIKey string

	grace     time.Duration // grace, where a test has not another
	syncEvery time.Duration // presencesync.Interval, likewise
}

// Server is one node.
//
// Its locks, and those of the packages beneath it, have one order. Whoever holds
// a lock may take one that stands below it, never one above it or a second of the
// same kind:
//
//	site.puts        one call of the API checks an entry and writes it
//	session.mu       what a page may do and where it is
//	mailbox.mu       pushes, in order
//	Server.mu        the sessions of the node
//	site.mu          opens and closes the site's view
//	activePosts.mu, onlineList.mu
//	room.fan         frames of a room, in order
//	Broker's mu      in package broker; held while a view tells of a change
//	View's mu        in package broker, likewise
//	presencesync.State's mu, watchers.mu, site.roomsMu, room.mu
//	session.outMu    where frames for a page go
//	Outbox's mu, then the transport's own: they wake a writer
//
// While these are held no other lock is waited for: Server.membersMu, cron.mu, refusals.mu and
// the locks of package ticket. A new session is locked under Server.mu before anybody else knows it,
// which does not wait. The transport calls sessions with none of its locks held.
//
// Nobody waits under a lock for anything else: not for NATS, for WordPress, for a
// client or for a channel.
type Server struct {
	broker   *broker.Broker
	sites    map[string]*site // as configured
	demo     *Demo
	pipeline *pipeline
	log      *slog.Logger
	metrics  *metrics
	mailbox  *mailbox
	tickets  ticket.Verifier
	refusals refusals
	apiKey   string

	socket   *transport.WebSocket
	requests *transport.Sessions // of pages that send each frame in a request
	base     string
	scripts  fs.FS
	grace    time.Duration

	membersMu sync.Mutex // guards members
	members   map[string]*site

	mu       sync.Mutex // guards the following fields
	sessions map[sessionKey]*session
	byUser   map[userKey]int // how many sessions a user has
	draining bool
	closing  sync.Once
	stop     chan struct{}
	stopped  sync.WaitGroup
}

type userKey struct {
	site string
	user int64
}

// New makes a node. Close ends it.
func New(c Config) (*Server, error) {
	if c.Broker == nil {
		return nil, errors.New("a server needs a broker")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	hooks := c.Hooks.Clone()
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
		var err error
		if s.sites[st.ID], err = newSite(st, c.Broker); err != nil {
			return nil, fmt.Errorf("site %q: %w", st.ID, err)
		}
		if st.Upstream != "" {
			up, err := proxy.New(st.Upstream, c.TrustedProxies, c.Logger)
			if err != nil {
				return nil, fmt.Errorf("site %q: %w", st.ID, err)
			}
			s.sites[st.ID].upstream = up
		}
	}
	s.mailbox = &mailbox{server: s, log: c.Logger}
	s.tickets.Keys, s.tickets.Network = s.keysOf, s.networkOf
	c.Broker.Subscribe(broker.Pushes, s.mailbox.subscribed, s.mailbox.deliver)
	c.Broker.Subscribe(broker.Revocations, nil, s.revoke)
	s.socket = &transport.WebSocket{Server: s, CheckOrigin: s.knownOrigin}
	s.requests = &transport.Sessions{Server: s}
	s.stopped.Go(s.tend)
	s.stopped.Go(func() { presencesync.Run(s.syncNode(), cmp.Or(c.syncEvery, presencesync.Interval), s.stop) })
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
		case <-s.stop:
			return // Close says bye to the others
		case <-ctx.Done():
			s.log.Warn("draining was cut short", "pages left", len(all)-i-1)
			return
		}
	}
}

// Close ends everything that New started. The HTTP servers must be closed. It may
// be called more than once: all calls return when everything has ended.
func (s *Server) Close() { s.closing.Do(s.close) }

func (s *Server) close() {
	close(s.stop)
	s.stopped.Wait()
	for _, sess := range s.abandonAll() {
		sess.abandon(&transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: time.Second})
	}
	s.socket.Close()
	s.requests.Stop()
	var sites sync.WaitGroup // a view ends in seconds when NATS does not answer
	for _, st := range s.allSites() {
		sites.Go(st.close)
	}
	sites.Wait()
}

// abandonAll takes no more pages and returns those that are here.
func (s *Server) abandonAll() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	return slices.Collect(maps.Values(s.sessions))
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
