package server

import (
	"cmp"

	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/metrics"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/transport"
)

// overHTTP is a link of requests, for long-poll or an event stream; notYet is the transport of
// a page that has opened such a link, and has not asked for frames yet.
const overHTTP, notYet = "http", "opening"

var metricLabels = metrics.Labels{
	Limits: limit.Names, Refusals: refusal.Causes(), Transports: []string{transport.NameWebSocket, overHTTP},
	Codes: transport.Codes, Declines: refusal.Declines,
}

// measure registers the metrics of the node's parts.
func (s *Server) measure() {
	s.metrics.Register(metrics.State{
		Sessions:    func() int { return s.sessions.count("") },
		Connections: s.clients.OpenConnections, BodyBytes: s.clients.BodyBytes,
		Pages: s.pages, Broker: s.broker.Stats, Readiness: s.Readiness,
	}, []string{transport.NameWebSocket, transport.NameEvents, transport.NameLongPoll, notYet})
}

// pages counts the pages that are connected.
func (s *Server) pages() map[metrics.Pages]int {
	count := make(map[metrics.Pages]int)
	for _, sess := range s.sessions.all() {
		p := metrics.Pages{Class: metrics.Configured}
		switch {
		case sess.site.ID == demosite.ID && s.demo != nil:
			p.Class = metrics.Demo
		case sess.site.network != sess.site.ID:
			p.Class = metrics.Member
		}
		var connected bool
		if p.Transport, connected = sess.transport(); connected {
			p.Transport = cmp.Or(p.Transport, notYet)
			count[p]++
		}
	}
	return count
}
