package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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
