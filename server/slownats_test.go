package server

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
)

// gate is a TCP proxy to NATS. While it is shut, it forwards nothing and keeps the
// connections open.
type gate struct {
	mu     sync.Mutex // held while the gate is shut
	isShut bool       // for the goroutine of the test
	url    string
	work   sync.WaitGroup

	connsMu sync.Mutex
	conns   []io.Closer
}

// newGate starts a gate to the NATS at an address.
func newGate(t *testing.T, address string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{url: "nats://" + l.Addr().String()}
	g.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", address)
			if err != nil {
				_ = in.Close()
				continue
			}
			g.closes(in, out)
			g.work.Go(func() { g.forward(in, out) })
			g.work.Go(func() { g.forward(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		g.cut()
		if g.isShut { // the test has failed
			g.open()
		}
		g.work.Wait()
	})
	return g
}

func (g *gate) forward(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		g.mu.Lock()
		_, err = to.Write(b[:n])
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	g.isShut = true
}

func (g *gate) open() {
	g.isShut = false
	g.mu.Unlock()
}

func (g *gate) closes(c ...io.Closer) {
	g.connsMu.Lock()
	defer g.connsMu.Unlock()
	g.conns = append(g.conns, c...)
}

// cut closes the connections.
func (g *gate) cut() {
	g.connsMu.Lock()
	defer g.connsMu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// newHub starts a broker whose NATS other nodes connect to.
func newHub(t *testing.T) *broker.Broker {
	t.Helper()
	return nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0"})
}

// newGatedNode starts a node that is connected to NATS through a gate.
func newGatedNode(t *testing.T) (*node, *gate) {
	t.Helper()
	g := newGate(t, newHub(t).ListenAddr())
	return newNodeOn(t, broker.Config{TTL: time.Minute, URL: g.url}), g
}

// freeAddress returns an address that no server listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
