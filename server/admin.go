package server

import (
	"net/http"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	answered prometheus.Counter
	declined prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	beats := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "heartbeatd_beats_total", Help: "Beats that came, by whether heartbeatd answered them or left them to PHP.",
	}, []string{"answer"})
	sessions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_sessions", Help: "Pages with a session, connected or within their grace.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.sessions))
	})
	m := &metrics{
		registry: prometheus.NewRegistry(),
		answered: beats.WithLabelValues("tick"),
		declined: beats.WithLabelValues("decline"),
	}
	m.registry.MustRegister(beats, sessions, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Admin is the handler of the admin listener.
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
	s.routeAPI(r)
	return r
}
