package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// metrics are the metrics at /metrics.
type metrics struct {
	registry *prometheus.Registry
	answered prometheus.Counter
	declined prometheus.Counter
}

func newMetrics(sessionCount func() int) *metrics {
	beats := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "heartbeatd_beats_total", Help: "Beats received, by whether heartbeatd answered them or left them to PHP.",
	}, []string{"answer"})
	sessions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_sessions", Help: "Sessions of pages, connected or within their grace period.",
	}, func() float64 { return float64(sessionCount()) })
	m := &metrics{
		registry: prometheus.NewRegistry(),
		answered: beats.WithLabelValues("tick"),
		declined: beats.WithLabelValues("decline"),
	}
	m.registry.MustRegister(beats, sessions, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Admin returns the handler of the admin listener.
func (s *Server) Admin() http.Handler {
	r := mux.NewRouter()
	r.Methods("GET").Path("/healthz").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	r.Methods("GET").Path("/readyz").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	r.Methods("GET").Path("/metrics").Handler(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	r.PathPrefix(restapi.Path).Handler(restapi.New(s.apiNode(), s.apiKey))
	return r
}

// apiNode returns what the API needs of the node.
func (s *Server) apiNode() restapi.Node {
	return restapi.Node{
		Broker:   s.broker,
		Keyfunc:  s.tickets.Keyfunc,
		HasSite:  func(id string) bool { return s.site(id) != nil },
		View:     s.view,
		PutLock:  func(id string) sync.Locker { return &s.site(id).puts },
		Renews:   s.renews,
		Sessions: s.sessions.count,
		Ready:    s.ready,
	}
}

// view returns the live view of a site that this node serves.
func (s *Server) view(ctx context.Context, siteID string) (*broker.View, error) {
	return s.site(siteID).watch(ctx)
}

// renews reports whether the session of a user's page renews an entry. hasSession is
// false if the page has no session on this node.
func (s *Server) renews(k broker.Key, user int64) (renews, hasSession bool) {
	page := s.sessions.find(sessionKey{k.Site, user, k.Conn})
	return page != nil && page.keeps(k), page != nil
}
