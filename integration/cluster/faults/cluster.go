//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/balancer"
	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

const (
	// nodeCount and serverCount are the numbers of nodes and of NATS servers.
	nodeCount, serverCount = 3, 3
	// pagesOfSite is how many pages a site has.
	pagesOfSite = 100
	// startWait is how long nodes may take to be ready, and pages to have a link.
	startWait = time.Minute
)

// cluster is everything that runs.
type cluster struct {
	*options
	dir      string
	program  string // heartbeatd
	clocked  string // heartbeatd whose clock can be set, once it is needed
	servers  []*machine.Server
	nodes    []*machine.Node
	sites    []machine.Site
	balancer *balancer.Balancer
	backend  *backend.Backend
	world    *page.World
	crowd    *crowd
	pusher   *pusher
	watchers *watchers
	base     usage        // at the start
	revoked  []revocation // of the last rounds
}

// start starts the cluster, and opens the pages. The caller stops it also after an error.
func start(ctx context.Context, o *options, kinds []page.Kind) (*cluster, error) {
	c := &cluster{options: o, program: o.binary}
	var err error
	if c.dir, err = os.MkdirTemp("", "heartbeatd-faults-"); err != nil {
		return c, err
	}
	if c.program == "" {
		if c.program, err = machine.Build(c.dir, machine.Heartbeatd); err != nil {
			return c, err
		}
	}
	nats, err := machine.Build(c.dir, machine.NATSServer)
	if err != nil {
		return c, err
	}
	if c.servers, err = machine.StartNATS(nats, c.dir, o.logs, serverCount); err != nil {
		return c, err
	}
	secrets := make(map[string]string)
	for i := range cmp.Or(o.sites, max(1, o.pages/pagesOfSite)) {
		s := machine.Site{ID: fmt.Sprintf("site%d", i), Secrets: []string{fmt.Sprintf("a secret of site %d that is good for tests only", i)}}
		c.sites = append(c.sites, s)
		secrets[s.ID] = s.Secrets[0]
	}
	if err := c.startNodes(); err != nil {
		return c, err
	}
	client := &http.Client{Transport: c.balancer}
	c.backend = backend.New(secrets, client)
	c.world = &page.World{Client: client, Backend: c.backend, BeatEvery: cmp.Or(o.beat, o.ttl*3/10)}
	ready, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := c.balancer.WaitReady(ready, nodeCount); err != nil {
		return c, err
	}
	c.crowd = newCrowd(c.world, kinds, o.seed, c.sites)
	c.pusher = newPusher(c.backend, c.crowd, o.seed)
	c.watchers, err = c.watch()
	return c, err
}

func (c *cluster) startNodes() error {
	var backends []balancer.Backend
	for i := range nodeCount {
		n, err := machine.StartNode(i, c.program, c.dir, c.logs, c.servers, c.ttl, c.sites)
		if n != nil {
			c.nodes = append(c.nodes, n)
		}
		if err != nil {
			return err
		}
		backends = append(backends, balancer.Backend{Public: n.Public, Admin: n.Admin})
	}
	c.balancer = balancer.New(backends...)
	for _, n := range c.nodes {
		if err := n.WaitReady(); err != nil {
			return err
		}
	}
	return nil
}

// buildClocked builds heartbeatd with a clock that can be set.
func (c *cluster) buildClocked() (err error) {
	if c.binary != "" {
		return errors.New("the clock faults need a heartbeatd that this program builds: omit -binary")
	}
	c.clocked, err = machine.BuildWithClock(c.dir, machine.Heartbeatd)
	return err
}

// stop ends everything, and returns what the logs of the processes say.
func (c *cluster) stop() error {
	if c.watchers != nil {
		c.watchers.stop()
	}
	if c.crowd != nil {
		c.crowd.close()
	}
	var errs []error
	for _, n := range c.nodes {
		n.Kill()
		n.Remove()
		for _, fault := range n.Faults() {
			errs = append(errs, errors.New(fault))
		}
	}
	for _, s := range c.servers {
		s.Kill()
		s.Remove()
	}
	if c.world != nil {
		c.world.Wait()
	}
	if c.balancer != nil {
		c.balancer.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
