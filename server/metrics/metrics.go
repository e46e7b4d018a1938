// Package metrics has the metrics of a node at /metrics. docs/metrics.md lists them.
//
// The number of values of each label is fixed: none is a site, a user, an address or a room.
package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/heartbeatd/heartbeatd/server/version"
)

// The kinds of what goes to many pages.
const (
	Presence = "presence"
	Push     = "push"
	Nudge    = "nudge"
)

// Labels are the values of labels. A counter that is not there yet has no rate, so each value has a
// counter from the start.
type Labels struct {
	Limits     []string // names of limits
	Declines   []string // causes for which a beat is left to PHP
	Refusals   []string // causes for which a page is refused
	Transports []string // over which pages open sessions
	Codes      []int    // with which connections end
}

// Metrics are the counters and histograms. New makes them.
type Metrics struct {
	Registry *prometheus.Registry

	answered, declined, deposited, repeated, helloTimeouts, replayed prometheus.Counter

	declines, refusals, limited, opens, closes, messages *prometheus.CounterVec

	beat   prometheus.Histogram
	fanOut *prometheus.HistogramVec
}

// New registers the metrics.
func New(l Labels) *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	beats := m.counters("heartbeatd_beats_total", "Beats received, by whether heartbeatd answered them or left them to PHP.", "answer", "tick", "decline")
	m.answered, m.declined = beats.WithLabelValues("tick"), beats.WithLabelValues("decline")
	m.declines = m.counters("heartbeatd_declined_beats_total", "Beats that heartbeatd left to PHP, by the cause.", "cause", l.Declines...)
	m.deposited = m.counter("heartbeatd_deposit_beats_total", "Beats that heartbeatd answered with at least one deposited value.")
	m.repeated = m.counter("heartbeatd_repeated_beats_total", "Beats that heartbeatd answered while the page repeats PHP's last answer about a post lock.")
	m.refusals = m.counters("heartbeatd_refused_total", "Pages and beats by POST that heartbeatd refused, by the cause.", "cause", l.Refusals...)
	m.helloTimeouts = m.counter("heartbeatd_hello_timeouts_total", "WebSockets that sent no hello in time.")
	m.limited = m.counters("heartbeatd_limited_total", "Connections, requests, beats and presence entries refused because of a limit of their client's address, of the page, of the node or of their site.", "limit", l.Limits...)
	m.opens = m.counters("heartbeatd_opens_total", "Sessions that pages opened or resumed, by whether over a WebSocket or over HTTP.", "transport", l.Transports...)
	codes := []string{"none"}
	for _, code := range l.Codes {
		codes = append(codes, strconv.Itoa(code))
	}
	m.closes = m.counters("heartbeatd_closes_total", "Connections of pages that ended, by the close code of docs/protocol.md; none: the page closed it, or it broke.", "code", codes...)
	m.messages = m.counters("heartbeatd_messages_total", "Pushes and nudges that the node got for its pages, also those of other nodes.", "kind", Push, Nudge)
	m.replayed = m.counter("heartbeatd_replayed_pushes_total", "Pushes sent to pages that reconnected and had missed them.")
	m.beat = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "heartbeatd_beat_seconds", Help: "Time to answer a beat, without the network.", Buckets: prometheus.ExponentialBuckets(10e-6, 4, 9),
	})
	m.fanOut = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "heartbeatd_fanout_seconds", Help: "Time to put a presence frame, a push or a nudge into the queues of all pages of the node that it is for.", Buckets: prometheus.ExponentialBuckets(10e-6, 4, 9),
	}, []string{"kind"})
	for _, kind := range []string{Presence, Push, Nudge} {
		m.fanOut.WithLabelValues(kind)
	}
	v := version.Get()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heartbeatd_build_info", Help: "1, with the version, the revision of the repository and the version of Go as labels.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "go": v.Go},
	}, func() float64 { return 1 })
	m.Registry.MustRegister(m.beat, m.fanOut, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help, label string, values ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.Registry.MustRegister(c)
	for _, value := range values {
		c.WithLabelValues(value)
	}
	return c
}

// Answered counts a beat that heartbeatd has answered: with deposited values, while the page repeats
// answers of PHP.
func (m *Metrics) Answered(deposited, repeated bool, took time.Duration) {
	m.answered.Inc()
	m.beat.Observe(took.Seconds())
	if deposited {
		m.deposited.Inc()
	}
	if repeated {
		m.repeated.Inc()
	}
}

// Declined counts a beat that heartbeatd has left to PHP.
func (m *Metrics) Declined(cause string) {
	m.declined.Inc()
	m.declines.WithLabelValues(cause).Inc()
}

// Refused counts a page, or a beat by POST, that heartbeatd has refused.
func (m *Metrics) Refused(cause string) { m.refusals.WithLabelValues(cause).Inc() }

// HelloTimedOut counts a connection without a hello.
func (m *Metrics) HelloTimedOut() { m.helloTimeouts.Inc() }

// Limited counts what was refused because of a limit.
func (m *Metrics) Limited(limit string) { m.limited.WithLabelValues(limit).Inc() }

// Opened counts a session that was opened or resumed.
func (m *Metrics) Opened(transport string) { m.opens.WithLabelValues(transport).Inc() }

// Closed counts a connection that has ended, with a close code or 0.
func (m *Metrics) Closed(code int) {
	if code == 0 {
		m.closes.WithLabelValues("none").Inc()
		return
	}
	m.closes.WithLabelValues(strconv.Itoa(code)).Inc()
}

// Replayed counts a push that was sent to a page that had missed it.
func (m *Metrics) Replayed() { m.replayed.Inc() }

// Delivered counts a push or a nudge, and takes the time until all pages had it in their queues.
func (m *Metrics) Delivered(kind string, took time.Duration) {
	m.messages.WithLabelValues(kind).Inc()
	m.FannedOut(kind, took)
}

// FannedOut takes the time until all pages had something in their queues.
func (m *Metrics) FannedOut(kind string, took time.Duration) {
	m.fanOut.WithLabelValues(kind).Observe(took.Seconds())
}
