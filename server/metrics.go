package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/heartbeatd/heartbeatd/server/hook"
)

// metrics are the metrics at /metrics.
type metrics struct {
	registry  *prometheus.Registry
	answered  prometheus.Counter
	declined  prometheus.Counter
	deposited prometheus.Counter // answered beats that needed a deposited value
}

// countAnswer counts a beat that heartbeatd has answered.
func (m *metrics) countAnswer(c *hook.Call) {
	m.answered.Inc()
	if len(c.Deposits) > 0 {
		m.deposited.Inc()
	}
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
		deposited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heartbeatd_deposit_beats_total", Help: "Beats that heartbeatd answered with at least one deposited value.",
		}),
	}
	m.registry.MustRegister(beats, m.deposited, sessions, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
