// Package server answers beats. Server connects the parts: New gives each part what it
// needs, and no part has a Server.
//
// A connection opens in these steps:
//
//	routes.go     passes a request to a transport, by its path
//	origin        checks that the request is from a page of the site
//	transport     reads the hello
//	open.go       opens the session: admit.go checks the ticket with package ticket
//
// A beat takes these steps. No step calls an earlier one:
//
//	transport     bytes to Beat; a beat by POST comes from routes.go, goes to post.go and
//	              needs no session
//	session.go    decides whether heartbeatd or PHP answers; package cron gives PHP a beat when
//	              a scheduled event is due
//	beat.go       makes the call that hooks get, and the presence that they use
//	pipeline      runs the hooks in WordPress's order, heartbeatd's own among them; the call
//	              to a Tick
//	transport     Tick to bytes
//
// An entry that a hook writes goes to every node, and comes back as a change:
//
//	broker        writes the entry to NATS, and watches the entries of a site
//	site.go       passes the site's changes to its rooms
//	room          coalesces changes into frames for the pages that hear the room
//	outlet.go     passes frames to the connection of one page
//	transport     frames to bytes
//
// If the room is a post's, room.Notifier also notifies the pages that show active posts:
// activeposts.go sends the list or a nudge.
//
// Pushes and nudges come from the broker to replay.go, which gives them to rooms and
// sessions, revocations to revoke.go, which ends sessions, and deposited values to
// depositor.go. sessions.go knows the sessions of the node, and lifecycle.go how one begins,
// changes and ends.
//
// Back ends read and write the same rooms: package restapi over HTTP, package presencesync
// with the table of the Presence API plugin. For newer versions of that plugin, rows.go holds
// the rows of pages in the table with package pushtransport, and its Changes says
// which rooms pages are told of.
package server

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/admin"
	"github.com/heartbeatd/heartbeatd/server/balance"
	"github.com/heartbeatd/heartbeatd/server/clocks"
	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/forward"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/lockrenewal"
	"github.com/heartbeatd/heartbeatd/server/metrics"
	"github.com/heartbeatd/heartbeatd/server/phpbeats"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/revocation"
	"github.com/heartbeatd/heartbeatd/server/settings"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// Config configures a Server.
type Config struct {
	Broker   *broker.Broker
	Sites    []Site
	Demo     *demosite.Site // nil: no demo site
	BasePath string         // where the transports are: /heartbeat
	Scripts  fs.FS          // heartbeat.js and its source map
	Hooks    hook.Hooks     // hooks besides those of package pipeline
	Logger   *slog.Logger
	// TrustedProxies are the web servers whose X-Forwarded headers are used.
	TrustedProxies []netip.Prefix

	// Limits are those that the operator may change; a limit of zero is that of limit.Defaults.
	Limits limit.Max
	// APIKey is the operator's key for the API of every site; empty: none.
	APIKey string
	// MetricsKey is the bearer key that /metrics asks for; empty: none.
	MetricsKey string

	grace     time.Duration // zero: defaultGrace; set by tests
	syncEvery time.Duration // zero: presencesync.Interval; set by tests

	publishEvery time.Duration // zero: phpbeats.PublishEvery; set by tests
}

// Server is one node.
//
// Its locks, and those of the packages beneath it, have one order. Code that holds a lock
// may take one that stands below it, never one above it or a second of the same kind:
//
//	room.Notifier.sending  the lists of active posts, in order
//	site.puts          one call of the API checks an entry and writes it
//	session.mu         what a page may do and where it is
//	replayBuffer.mu    pushes, in order
//	sessions.mu        the sessions of the node
//	site.mu            opens and closes the site's view
//	room.ActivePosts, room.OnlineList
//	room.Room.sendMu   the frames of a room, in order
//	Broker's mu        in package broker; held while a view announces a change
//	View's mu          in package broker, likewise
//	presencesync.State, pushtransport.State, pushtransport.Changes, room.Notifier, room.Rooms, room.Room.mu
//	outlet.mu          where the frames for a page go
//	Outbox's mu, then the transport's own: they wake a writer
//
// While these are held no other lock is waited for: sites.mu, cron.Cron.mu, those of package hourly, limit.Clients.mu
// (except for that of its log), those of packages balance and clock, budget.Budget.mu, sitecall.Hosts.mu, phpbeats.Counter.mu, lockrenewal.State.mu,
// parking.Lot.mu (except for limit.Clients.mu), parking.Conn.mu, deposit.Store.mu (except for budget.Budget.mu), depositor.mu and the locks of package ticket. A new session is locked under sessions.mu while no other goroutine
// can reach it, so that never waits. The transport calls sessions with none of its locks held.
//
// Code that holds a lock waits for nothing else: not for NATS, for WordPress, for a client
// or for a channel. It may write a log. That a budget is used up is logged without the locks of package
// broker and deposit.Store.mu, since all sites wait for those.
type Server struct {
	broker   *broker.Broker
	sites    *sites
	demo     *demosite.Site
	pipeline *pipeline.Pipeline
	log      *slog.Logger
	metrics  *metrics.Metrics
	replay   *replayBuffer
	sessions *sessions
	shared   shared // by the sessions
	tickets  ticket.Verifier

	revocations *revocation.Reader

	started  time.Time
	deposits deposit.Store
	refusals refusal.Log
	balancer *balance.Balancer
	clocks   clocks.Clocks

	keys atomic.Pointer[admin.Keys]

	clients *limit.Clients

	socket    *transport.WebSocket
	requests  *transport.Sessions // of pages that send each frame in a request
	forwarder *forward.Forwarder  // of these requests
	base      string
	scripts   fs.FS

	closing sync.Once
	stop    chan struct{}
	stopped sync.WaitGroup
}

// New starts a node. Close ends it.
func New(c Config) (*Server, error) {
	if c.Broker == nil {
		return nil, errors.New("Config.Broker is missing")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := settings.CheckPath(c.BasePath); err != nil {
		return nil, err
	}
	hooks := c.Hooks.Clone()
	s := &Server{
		broker: c.Broker, demo: c.Demo,
		pipeline: pipeline.New(&hooks), log: c.Logger,
		base: c.BasePath, scripts: c.Scripts,
		sessions: newSessions(), started: time.Now(), stop: make(chan struct{}),
	}
	s.metrics = metrics.New(metricLabels)
	s.clients = limit.New(c.TrustedProxies, s.metrics.Limited)
	s.clients.Log = c.Logger
	s.configure(c)
	s.clocks = clocks.Clocks{NATSAhead: c.Broker.NATSAhead, SiteAhead: s.tickets.WorstClock, Log: c.Logger}
	s.clocks.Register(s.metrics.Registry)
	rows, tables := newWaker(), newWaker()
	s.shared = shared{c.Broker, &s.tickets, s.pipeline, s.metrics, &s.refusals, &s.deposits, s.clients, cmp.Or(c.grace, defaultGrace), s.sessions.forget, rows.wake}
	if c.Demo != nil {
		c.Demo.AddHooks(&hooks)
	}
	var err error
	if s.sites, err = newSites(s.withDemo(c.Sites), c.Broker, s.clients, c.Logger, s.metrics.FannedOut); err != nil {
		return nil, err
	}
	s.measure()
	c.Broker.Budgets().Share(s.sites.network, len(s.sites.configured), s.clients.OverBudget)
	s.deposits.Budget = c.Broker.Budgets().Deposits
	s.refusals.First, s.refusals.Logger, s.refusals.Metrics = s.sites.firstID, c.Logger, s.metrics
	s.tickets.Keys, s.tickets.Network = s.sites.keys, s.sites.network
	s.replay = &replayBuffer{sessions: s.sessions, site: s.sites.get, log: c.Logger, wakeRows: rows.wake, wakeSync: tables.wake, now: c.Broker.Now, here: c.Broker.Here, metrics: s.metrics}
	c.Broker.Subscribe(topic.Pushes, s.replay.subscribed, s.replay.receive)
	s.revocations = &revocation.Reader{Tickets: &s.tickets, Broker: c.Broker, Log: c.Logger, Apply: s.applyRevocation}
	s.revocations.Start()
	s.stopped.Go(func() { s.revocations.Restore(s.stop) })
	s.balancer = newBalancer(c.Broker, s.sessions, s.replay, s.stop)
	s.sessions.retry = s.balancer.Retry
	s.stopped.Go(s.balancer.Run)
	depositor := &depositor{store: &s.deposits, sites: s.sites, sessions: s.sessions, broker: c.Broker, log: c.Logger, lost: make(chan struct{}, 1), outdated: make(chan struct{}, 1)}
	c.Broker.Subscribe(topic.Deposits, depositor.subscribed, depositor.receive)
	s.stopped.Go(func() { depositor.run(s.stop) })
	s.socket = &transport.WebSocket{Server: s, CheckOrigin: s.sites.knowsOrigin, Limits: s.clients, OnRefuse: s.refusals.Hello}
	s.requests = &transport.Sessions{Server: s, OnRefuse: s.refusals.Hello, Limits: s.clients, Lot: parking.New(c.Logger)}
	s.forwarder = s.newForwarder()
	s.forwarder.Register(s.metrics.Registry)
	s.requests.Prefix = s.forwarder.Prefix()
	s.startTasks(c, rows, tables)
	return s, nil
}

// startTasks starts what runs until Stop, beside the sessions.
func (s *Server) startTasks(c Config, rows, tables waker) {
	s.stopped.Go(s.closeIdleSites)
	s.stopped.Go(func() { s.clocks.Run(s.stop) })
	s.stopped.Go(func() {
		phpbeats.Publish(c.Broker, s.sites.phpBeats, cmp.Or(c.publishEvery, phpbeats.PublishEvery), s.stop, c.Logger)
	})
	s.stopped.Go(func() {
		presencesync.Run(syncNode(c.Broker, s.sites, s.tickets.Now, tables, c.Logger), cmp.Or(c.syncEvery, presencesync.Interval), s.stop)
	})
	s.stopped.Go(func() {
		pushtransport.Run(rowsNode(c.Broker, s.sites, s.sessions, s.tickets.Now, rows, c.Logger), s.stop)
	})
	s.stopped.Go(func() { lockrenewal.Run(locksNode(c.Broker, s.sites, s.tickets.Now, c.Logger), s.stop) })
}

// closeIdleSites closes the views of sites that nobody uses.
func (s *Server) closeIdleSites() {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, st := range s.sites.all() {
				st.closeIfIdle()
			}
			s.sites.forgetIdle(s.sessions.sites())
		case <-s.stop:
			return
		}
	}
}

// Drain sends all pages to other nodes within d, and refuses new ones. If there is no other node,
// it closes their connections at once. Then it ends the requests that it has passed on to other nodes.
// Entries stay: the pages come back elsewhere, or to this node after its restart.
func (s *Server) Drain(ctx context.Context, d time.Duration) {
	s.balancer.Begin()
	s.sessions.close()
	if left := s.balancer.Drain(ctx, d); left > 0 && ctx.Err() != nil {
		s.log.Warn("draining was cut short", "pages left", left)
	}
	s.forwarder.Stop()
}

// LimitConnections returns a listener that closes connections above the limits of an address,
// and above most.
func (s *Server) LimitConnections(l net.Listener, most int) net.Listener {
	return s.clients.Listen(l, most)
}

// WaitForUpstreams waits until no WordPress works on a request that this node has passed on
// to it, or ctx ends.
func (s *Server) WaitForUpstreams(ctx context.Context) {
	for _, now := range s.sites.served.Load().All() {
		if now.Proxy != nil {
			now.Proxy.Wait(ctx)
		}
	}
}

// Close ends everything that New started. Close the HTTP servers first. Close may be called
// more than once: each call returns when everything has ended.
func (s *Server) Close() { s.closing.Do(s.close) }

func (s *Server) close() {
	close(s.stop)
	s.stopped.Wait()
	for _, sess := range s.sessions.close() {
		sess.abandon(refusal.GoingAway(time.Second))
	}
	s.socket.Close()
	s.requests.Stop()
	s.forwarder.Close()
	var sites sync.WaitGroup // a view ends in seconds when NATS does not answer
	s.sites.closed.Store(true)
	for _, st := range s.sites.all() {
		sites.Go(st.close)
	}
	sites.Wait()
}

// Readiness returns whether traffic may come to this node, and which of its parts do not work.
func (s *Server) Readiness() readiness.State {
	return readiness.Of(s.broker, s.sessions.isClosed()).With(s.clocks.Problems())
}
