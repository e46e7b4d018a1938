package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/limit"
)

// metrics are the metrics at /metrics.
type metrics struct {
	registry  *prometheus.Registry
	answered  prometheus.Counter
	declined  prometheus.Counter
	deposited prometheus.Counter // answered beats that needed a deposited value
	limited   *prometheus.CounterVec
}

// countAnswer counts a beat that heartbeatd has answered.
func (m *metrics) countAnswer(c *hook.Call) {
	m.answered.Inc()
	if len(c.Deposits) > 0 {
		m.deposited.Inc()
	}
}

func newMetrics(sessionCount func() int, clients *limit.Clients) *metrics {
	beats := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "heartbeatd_beats_total", Help: "Beats received, by whether heartbeatd answered them or left them to PHP.",
	}, []string{"answer"})
	sessions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_sessions", Help: "Sessions of pages, connected or within their grace period.",
	}, func() float64 { return float64(sessionCount()) })
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_connections", Help: "Open TCP connections of both listeners.",
	}, func() float64 { return float64(clients.OpenConnections()) })
	bodies := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_body_bytes", Help: "Memory for large bodies and messages that clients are sending.",
	}, func() float64 { return float64(clients.BodyBytes()) })
	m := &metrics{
		registry: prometheus.NewRegistry(),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heartbeatd_limited_total", Help: "Connections, requests and presence entries refused because of a limit of their client's address, of the node or of their site.",
		}, []string{"limit"}),
		answered: beats.WithLabelValues("tick"),
		declined: beats.WithLabelValues("decline"),
		deposited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heartbeatd_deposit_beats_total", Help: "Beats that heartbeatd answered with at least one deposited value.",
		}),
	}
	m.registry.MustRegister(beats, m.deposited, m.limited, sessions, connections, bodies, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, name := range limit.Names {
		m.limited.WithLabelValues(name) // a counter that is not there yet has no rate
	}
	return m
}
