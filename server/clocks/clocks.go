// Package clocks reports which clocks differ from this machine's: that of NATS, and those of the
// WordPress of its sites.
package clocks

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/problem"
)

// interval is the time between two looks at the clocks, for the log.
const interval = 10 * time.Second

// The peers, as the metric names them. Of all sites, wordpress is the one that differs most.
const (
	NATS      = "nats"
	WordPress = "wordpress"
)

// Clocks are those that are compared.
type Clocks struct {
	// NATSAhead returns how far the clock of NATS is ahead of this machine's.
	NATSAhead func() time.Duration
	// SiteAhead returns the site whose WordPress differs most from this machine, and how far it is
	// ahead.
	SiteAhead func() (siteID string, ahead time.Duration)
	Log       *slog.Logger
}

// Difference is a clock that differs by more than clock.Tolerance.
type Difference struct {
	Peer  string // NATS or WordPress
	Site  string // of WordPress
	Ahead time.Duration
}

// String returns a sentence that says which clock differs and by how much.
func (d Difference) String() string {
	direction := "ahead of"
	if d.Ahead < 0 {
		direction = "behind"
	}
	by := d.Ahead.Abs().Round(100 * time.Millisecond)
	peer := "NATS"
	if d.Peer == WordPress {
		peer = "WordPress of site " + d.Site
	}
	return fmt.Sprintf("The clock of %s is %v %s that of this machine", peer, by, direction)
}

const remedy = "Let the machines of heartbeatd, NATS and WordPress set their clocks by NTP"

var parts = map[string]problem.Part{NATS: problem.ClockNATS, WordPress: problem.ClockWordPress}

// Problems returns the differences for /readyz.
func (c *Clocks) Problems() (list []problem.Problem) {
	for _, d := range c.Differences() {
		list = append(list, parts[d.Peer].Problem(d.String(), remedy))
	}
	return list
}

// Differences returns the clocks that differ.
func (c *Clocks) Differences() (list []Difference) {
	if ahead := c.NATSAhead(); ahead.Abs() > clock.Tolerance {
		list = append(list, Difference{NATS, "", ahead})
	}
	if site, ahead := c.SiteAhead(); ahead.Abs() > clock.Tolerance {
		list = append(list, Difference{WordPress, site, ahead})
	}
	return list
}

// Register registers the metric of the clocks.
func (c *Clocks) Register(r prometheus.Registerer) {
	site := func() time.Duration {
		_, ahead := c.SiteAhead()
		return ahead
	}
	for peer, ahead := range map[string]func() time.Duration{NATS: c.NATSAhead, WordPress: site} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "heartbeatd_clock_offset_seconds", Help: "How far the clock of a peer is ahead of this machine's.",
			ConstLabels: prometheus.Labels{"peer": peer},
		}, func() float64 { return ahead().Seconds() }))
	}
}

// Run logs when a clock begins or ceases to differ, until stop is closed.
func (c *Clocks) Run(stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	differs := map[string]bool{}
	for {
		differs = c.log(differs)
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// log logs what has changed since the peers in before differed, and returns those that do now.
func (c *Clocks) log(before map[string]bool) map[string]bool {
	differs := map[string]bool{}
	for _, d := range c.Differences() {
		differs[d.Peer] = true
		if !before[d.Peer] {
			c.Log.Warn("clocks differ: "+d.String(), "peer", d.Peer, "ahead", d.Ahead.Round(time.Millisecond))
		}
	}
	for peer := range before {
		if !differs[peer] {
			c.Log.Info("clocks no longer differ", "peer", peer)
		}
	}
	return differs
}
