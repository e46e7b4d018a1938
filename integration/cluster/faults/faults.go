//go:build linux

package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
)

// fault makes parts fail. It returns when all parts work again.
type fault struct {
	name, what  string
	losesStream bool          // NATS loses the pushes that it has stored: pages are told that they may have missed some
	killsNATS   bool          // the examples of observers start again if their server is killed, and learn of entries with their renewals
	maxGap      time.Duration // without a link, if it is limited
	minute      bool          // the back end's requests are counted in the minute before, and in that of the fault
	run         func(ctx context.Context, c *cluster) error
}

// olderVersion needs another program.
const olderVersion = "older-version"

// maxGap is how long a page may be without a link when nodes are stopped with SIGTERM.
const maxGap = 3 * time.Second

var faults = []*fault{
	{name: "none", what: "nothing fails", run: func(ctx context.Context, _ *cluster) error { return pause(ctx, 10*time.Second) }},
	{name: "kill-node", what: "kill -9 of a node, which starts again after 3 s", run: killNode},
	{name: "kill-nodes", what: "kill -9 of all nodes at once, which start again after 3 s", run: killNodes},
	{name: "stop-4", what: "SIGSTOP of a node for 4 s", run: stopNode(4 * time.Second)},
	{name: "stop-20", what: "SIGSTOP of a node for 20 s", run: stopNode(20 * time.Second)},
	{name: "stop-90", what: "SIGSTOP of a node for 90 s", run: stopNode(90 * time.Second)},
	{name: "cut-node", what: "a node reaches neither NATS nor pages, for two TTLs", run: cutNode(machine.Front, machine.Back)},
	{name: "cut-node-nats", what: "a node does not reach NATS, for two TTLs", run: cutNode(machine.Back)},
	{name: "cut-node-pages", what: "pages do not reach a node, for two TTLs", run: cutNode(machine.Front)},
	{name: "kill-nats", what: "kill -9 of the NATS server that leads the bucket, which starts again after 3 s", killsNATS: true, run: killLeader},
	{name: "kill-quorum", what: "kill -9 of two NATS servers, which start again after two TTLs", killsNATS: true, run: killQuorum},
	{name: "cut-nats", what: "a NATS server is cut off from all others and from the nodes, for two TTLs", run: cutServer(machine.Back, machine.Route)},
	{name: "cut-nats-route", what: "a NATS server is cut off from the other servers, but not from the nodes, for two TTLs", run: cutServer(machine.Route)},
	{name: "stop-nats", what: "SIGSTOP of the NATS server that leads the bucket, for 20 s", run: stopLeader},
	{name: "nats-stores", what: "kill -9 of all NATS servers, which start again with their stores", losesStream: true, killsNATS: true, run: killNATS(false)},
	{name: "nats-empty", what: "kill -9 of all NATS servers, which start again without their stores", losesStream: true, killsNATS: true, run: killNATS(true)},
	{name: "rolling", what: "each node is stopped with SIGTERM and started again, one after the other", maxGap: maxGap, run: rollingRestart},
	{name: "rolling-minute", what: "the same; the beats that the back end answers are counted for a minute before and from its start", maxGap: maxGap, minute: true, run: rollingRestart},
	{name: olderVersion, what: "each node is replaced with one of an older version, and then with the present one again, a TTL after each other", run: mixVersions},
	{name: "clock-ahead", what: "the clock of a node is 2 min ahead, for two TTLs", run: wrongClock(120)},
	{name: "clock-behind", what: "the clock of a node is 2 min behind, for two TTLs", run: wrongClock(-120)},
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// restartAfter is how long a killed process is away.
const restartAfter = 3 * time.Second

func (c *cluster) anyNode() *machine.Node { return c.nodes[c.crowd.number(len(c.nodes))] }

func killNode(ctx context.Context, c *cluster) error {
	n := c.anyNode()
	n.Kill()
	if err := pause(ctx, restartAfter); err != nil {
		return err
	}
	return errors.Join(n.Start(), n.WaitReady())
}

func killNodes(ctx context.Context, c *cluster) error {
	for _, n := range c.nodes {
		n.Kill()
	}
	if err := pause(ctx, restartAfter); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return c.waitNodes()
}

func (c *cluster) waitNodes() error {
	for _, n := range c.nodes {
		if err := n.WaitReady(); err != nil {
			return err
		}
	}
	return nil
}

func stopNode(d time.Duration) func(context.Context, *cluster) error {
	return func(ctx context.Context, c *cluster) error {
		for _, site := range c.sites[:min(maxListed, len(c.sites))] {
			if err := c.backend.Nudge(ctx, site.ID, nudgeSpread); err != nil {
				return err
			}
		}
		return stopFor(ctx, c.anyNode().Process, d)
	}
}

// nudgeSpread is the time within which pages beat when a node stops: many then wait for a tick.
const nudgeSpread = time.Second

func stopFor(ctx context.Context, p *machine.Process, d time.Duration) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	err := pause(ctx, d)
	return errors.Join(err, p.Signal(syscall.SIGCONT))
}

func cutNode(nets ...machine.Net) func(context.Context, *cluster) error {
	return func(ctx context.Context, c *cluster) error {
		n := c.anyNode()
		if err := cutFor(ctx, n.Host, 2*c.ttl, nets); err != nil {
			return err
		}
		return c.waitNodes()
	}
}

func cutServer(nets ...machine.Net) func(context.Context, *cluster) error {
	return func(ctx context.Context, c *cluster) error {
		if err := cutFor(ctx, c.leader().Host, 2*c.ttl, nets); err != nil {
			return err
		}
		return c.waitNodes()
	}
}

func cutFor(ctx context.Context, h *machine.Host, d time.Duration, nets []machine.Net) (err error) {
	for _, net := range nets {
		err = errors.Join(err, h.Cut(net))
	}
	if err == nil {
		err = pause(ctx, d)
	}
	for _, net := range nets {
		err = errors.Join(err, h.Join(net))
	}
	return err
}

// leader returns the NATS server that leads the bucket, or any if none does.
func (c *cluster) leader() *machine.Server {
	for _, s := range c.servers {
		if s.Leads("KV_presence") {
			return s
		}
	}
	return c.servers[c.crowd.number(len(c.servers))]
}

func killLeader(ctx context.Context, c *cluster) error {
	return c.killServers(ctx, []*machine.Server{c.leader()}, restartAfter, false)
}

func killQuorum(ctx context.Context, c *cluster) error {
	return c.killServers(ctx, c.servers[:2], 2*c.ttl, false)
}

func killNATS(wipe bool) func(context.Context, *cluster) error {
	return func(ctx context.Context, c *cluster) error {
		return c.killServers(ctx, c.servers, restartAfter, wipe)
	}
}

// killServers kills NATS servers, and starts them again after some time.
func (c *cluster) killServers(ctx context.Context, list []*machine.Server, d time.Duration, wipe bool) error {
	for _, s := range list {
		s.Kill()
	}
	if err := pause(ctx, d); err != nil {
		return err
	}
	for _, s := range list {
		if wipe {
			if err := s.Wipe(); err != nil {
				return err
			}
		}
		if err := s.Start(); err != nil {
			return err
		}
	}
	return c.waitNodes()
}

func stopLeader(ctx context.Context, c *cluster) error {
	if err := stopFor(ctx, c.leader().Process, 20*time.Second); err != nil {
		return err
	}
	return c.waitNodes()
}

func rollingRestart(_ context.Context, c *cluster) error {
	for _, n := range c.nodes {
		if err := c.restart(n); err != nil {
			return err
		}
	}
	return nil
}

// mixVersions lets nodes of two versions run beside each other.
func mixVersions(ctx context.Context, c *cluster) error {
	for _, program := range []string{c.older, c.program} {
		for _, n := range c.nodes {
			n.Replace(program)
			if err := errors.Join(c.restart(n), pause(ctx, c.ttl)); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart stops a node with SIGTERM and starts it again.
func (c *cluster) restart(n *machine.Node, env ...string) error {
	if err := n.Terminate(); err != nil {
		return err
	}
	return errors.Join(n.Start(env...), n.WaitReady())
}

// wrongClock lets the clock of a node be ahead.
func wrongClock(seconds int) func(context.Context, *cluster) error {
	return func(ctx context.Context, c *cluster) error {
		n := c.anyNode()
		right := n.Replace(c.clocked)
		if err := c.restart(n, machine.Clock(seconds)); err != nil {
			return err
		}
		err := pause(ctx, 2*c.ttl)
		n.Replace(right)
		return errors.Join(err, c.restart(n))
	}
}
