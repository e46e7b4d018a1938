package server

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// gate is a way to NATS on which nothing comes back while it is shut: no answer
// and no end of the connection either.
type gate struct {
	mu   sync.Mutex // held while it is shut
	url  string
	work sync.WaitGroup

	connsMu sync.Mutex
	conns   []io.Closer
}

// newGate leads to a broker's NATS.
func newGate(t *testing.T, hub *broker.Broker) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{url: "nats://" + l.Addr().String()}
	g.closes(l)
	g.work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", hub.ListenAddr())
			if err != nil {
				_ = in.Close()
				continue
			}
			g.closes(in, out)
			g.work.Go(func() { g.carry(in, out) })
			g.work.Go(func() { g.carry(out, in) })
		}
	})
	t.Cleanup(func() {
		g.cut()
		g.work.Wait()
	})
	return g
}

func (g *gate) carry(to, from net.Conn) {
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

func (g *gate) shut() { g.mu.Lock() }
func (g *gate) open() { g.mu.Unlock() }

func (g *gate) closes(c ...io.Closer) {
	g.connsMu.Lock()
	defer g.connsMu.Unlock()
	g.conns = append(g.conns, c...)
}

func (g *gate) cut() {
	g.connsMu.Lock()
	defer g.connsMu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// newHub is a NATS that nodes connect to from outside.
func newHub(t *testing.T) *broker.Broker {
	t.Helper()
	hub, err := broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(); err != nil {
			t.Errorf("closing the hub: %v", err)
		}
	})
	return hub
}

// newGatedNode is a node on a NATS that can be made to answer nothing.
func newGatedNode(t *testing.T) (*node, *gate) {
	t.Helper()
	g := newGate(t, newHub(t))
	return newNodeOn(t, broker.Config{TTL: time.Minute, URL: g.url}), g
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
