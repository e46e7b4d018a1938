package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/readiness"
)

// Pages are pages that are connected, by how and to what.
type Pages struct {
	Transport string
	Class     string // one of Classes
}

// The classes of sites: a configured one, another site of a configured network, and the demo site.
const (
	Configured = "configured"
	Member     = "member"
	Demo       = "demo"
)

// State is what metrics are read from when they are asked for.
type State struct {
	Sessions    func() int
	Connections func() int
	BodyBytes   func() int64
	Pages       func() map[Pages]int
	Broker      func() broker.Stats
	Readiness   func() readiness.State
}

// Register registers the metrics of a state.
func (m *Metrics) Register(s State, transports []string) {
	m.Registry.MustRegister(&collector{s, transports})
}

// collector reads each part of the state once for all metrics.
type collector struct {
	State
	transports []string
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("heartbeatd_"+name, help, labels, nil)
}

var (
	sessions    = describe("sessions", "Sessions of pages, connected or within their grace period.")
	connections = describe("connections", "Open TCP connections of both listeners.")
	bodyBytes   = describe("body_bytes", "Memory for large bodies and messages that clients are sending.")
	pages       = describe("pages", "Connected pages, by transport and class of site.", "transport", "site_class")
	ready       = describe("ready", "1 if traffic may come to the node, as at /readyz, or 0.")
	problems    = describe("problem", "1 for each part that does not work now, as /readyz names it.", "name")

	connected  = describe("nats_connected", "1 if presence is read from NATS and written to it, or 0.")
	reconnects = describe("nats_reconnects_total", "Times that the node got another connection to NATS, or found another bucket, since the first.")
	entries    = describe("presence_entries", "Presence entries that the node writes and renews.")
	queued     = describe("presence_queue", "Writes of presence that wait to be sent to NATS.")
	inFlight   = describe("presence_writes_in_flight", "Writes of presence that NATS has not acknowledged yet.")
	writes     = describe("presence_writes_total", "Writes of presence sent to NATS, renewals among them; none while no other process can reach NATS.")
	renewals   = describe("presence_renewals_total", "Entries that were due to be written again because a page is still there.")
	lookUps    = describe("presence_lookups_total", "Questions to NATS for the newest revision of an entry, because another node had written it.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sessions, connections, bodyBytes, pages, ready, problems, connected, reconnects, entries, queued, inFlight, writes, renewals, lookUps} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value))
	}
	gauge(sessions, float64(c.Sessions()))
	gauge(connections, float64(c.Connections()))
	gauge(bodyBytes, float64(c.BodyBytes()))
	count := c.Pages()
	for _, transport := range c.transports {
		for _, class := range []string{Configured, Member, Demo} {
			gauge(pages, float64(count[Pages{transport, class}]), transport, class)
		}
	}
	state := c.Readiness()
	gauge(ready, number(state.Ready))
	named := make(map[string]bool)
	for _, p := range state.Reasons {
		if !named[p.Name] {
			gauge(problems, 1, p.Name)
		}
		named[p.Name] = true
	}
	b := c.Broker()
	gauge(connected, number(b.Connected))
	counter(reconnects, b.Reconnects)
	gauge(entries, float64(b.Entries))
	gauge(queued, float64(b.Queued))
	gauge(inFlight, float64(b.InFlight))
	counter(writes, b.Writes)
	counter(renewals, b.Renewals)
	counter(lookUps, b.LookUps)
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
