package revocation

import (
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// open opens a broker until the test ends.
func open(t *testing.T, c broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// read returns when a node that starts now has all revocations.
func read(t *testing.T, b *broker.Broker, settle time.Duration) time.Time {
	t.Helper()
	var tickets ticket.Verifier
	r := &Reader{Tickets: &tickets, Broker: b, Log: slog.New(slog.DiscardHandler), Apply: func(string, ticket.Revocation) {}, settle: settle}
	r.Start()
	stop := make(chan struct{})
	var restoring sync.WaitGroup
	restoring.Go(func() { r.Restore(stop) })
	tickets.AwaitComplete(t.Context())
	close(stop)
	restoring.Wait()
	return time.Now()
}

// TestNewStream checks that a node does not trust a new stream of an external NATS before other nodes have had the time
// to publish again what they know, and trusts that of its own NATS at once.
func TestNewStream(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	hub := open(t, broker.Config{Listen: l.Addr().String()})
	before := time.Now()
	b := open(t, broker.Config{URL: "nats://" + l.Addr().String()})
	const settle = 2 * time.Second
	if since := read(t, b, settle).Sub(before); since < settle {
		t.Errorf("a new stream is trusted after %v", since)
	}
	read(t, hub, time.Hour)
}
