// Package balance asks pages to go to other nodes: all of them when the node stops, and a few
// when it has many more pages than the others. The load balancer chooses the other node. A node
// that stops and knows no other one closes the connections of its pages at once.
package balance

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
)

const (
	// Pages leave if the node has more than excess times the mean, and at least minExcess more
	// than the mean: at most one of share pages in a second.
	excess    = 1.2
	minExcess = 50
	share     = 100

	// soon is the longest time after which a page that this node sends away, or refuses, tries
	// again if there is another node; soonest is the shortest.
	soonest = 50 * time.Millisecond
	soon    = 500 * time.Millisecond
	// Without another node, the pages of a node that stops come back to the process that takes its
	// place: from soon on, one after perPage, but none later than after longest. That is the longest
	// time that pages wait after a crash, too.
	perPage = time.Millisecond
	longest = 30 * time.Second
)

// subject is where nodes tell each other how many pages they have.
const subject = broker.NodeSubjects + "load"

// Page is a page of this node.
type Page interface {
	// Connected reports whether the page has a connection.
	Connected() bool
	// Move asks the page to open its next link before it closes this one.
	Move()
	// Moved reports whether the page has been asked recently, and has come back to this node.
	Moved() bool
	// Bye ends the page's connection. The page tries again after a time.
	Bye(retry time.Duration)
}

// Node is what is needed of a node.
type Node struct {
	Broker *broker.Broker
	Count  func() int    // of the node's pages
	Pages  func() []Page // in random order
	Stop   <-chan struct{}
}

// Balancer balances one node. New makes one.
type Balancer struct {
	Node
	peers    peers
	draining atomic.Bool
	leaving  atomic.Int64 // the number of pages when the node began to drain
}

// New returns the balancer of a node, which hears from other nodes until the broker is closed.
func New(n Node) *Balancer {
	b := &Balancer{Node: n}
	if !n.Broker.IsAlone() {
		n.Broker.Hear(subject, func(m *nats.Msg) { b.peers.hear(m.Data, n.Broker.Node(), time.Now()) })
	}
	return b
}

// Run balances until the node stops.
func (b *Balancer) Run() {
	if b.Broker.IsAlone() {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		b.tell()
		b.rebalance()
		select {
		case <-tick.C:
		case <-b.Stop:
			return
		}
	}
}

// tell tells the other nodes how many pages this one has. A message that is lost is followed by
// the next one.
func (b *Balancer) tell() {
	if b.Broker.IsAlone() {
		return
	}
	data, _ := json.Marshal(b.load()) // of this type it does not fail
	_ = b.Broker.Tell(&nats.Msg{Subject: subject, Data: data})
}

func (b *Balancer) load() Load { return Load{b.Broker.Node(), b.Count(), b.draining.Load()} }

// Nodes returns the loads of this node, first, and of the others by name.
func (b *Balancer) Nodes() []Load {
	others := b.peers.all(time.Now())
	slices.SortFunc(others, func(x, y Load) int { return strings.Compare(x.Node, y.Node) })
	return append([]Load{b.load()}, others...)
}

// rebalance asks some pages to leave if this node has many more than the others.
func (b *Balancer) rebalance() {
	n := tooMany(b.Count(), b.peers.accepting(time.Now()))
	if n == 0 || b.draining.Load() {
		return
	}
	apart := every / time.Duration(n+1)
	for _, p := range b.Pages() {
		if p.Connected() && !p.Moved() {
			p.Move()
			if n--; n == 0 || !b.wait(context.Background(), apart) {
				return
			}
		}
	}
}

// tooMany returns how many of its pages a node asks to leave until it tells the others the next
// time.
func tooMany(own int, others []int) int {
	if len(others) == 0 {
		return 0
	}
	sum := own
	for _, n := range others {
		sum += n
	}
	mean := sum / (len(others) + 1)
	if own < mean+minExcess || float64(own) <= excess*float64(mean) {
		return 0
	}
	return min(own-mean, max(1, own*int(every/time.Second)/share))
}

// Others returns the number of other nodes to which pages may come.
func (b *Balancer) Others() int { return len(b.peers.accepting(time.Now())) }

// Retry returns after what time a page that this node sends away or refuses tries again.
func (b *Balancer) Retry() time.Duration {
	if b.Others() > 0 {
		return soonest + rand.N(soon-soonest)
	}
	all := time.Duration(b.leaving.Load()) * perPage
	return soon + rand.N(min(max(all, soon), longest-soon))
}
