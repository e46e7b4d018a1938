package revocation

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
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

const site = "site"

// claims are those of a ticket that the tests revoke.
var claims = ticket.Claims{IssuedAt: &ticket.Time{Time: time.Unix(1_000_000_000, 0)}, RegisteredClaims: jwt.RegisteredClaims{Subject: "7"}}

// reader returns a reader of b, which has not started.
func reader(b *broker.Broker, settle time.Duration) *Reader {
	return &Reader{Tickets: &ticket.Verifier{Network: func(id string) string { return id }}, Broker: b, Log: slog.New(slog.DiscardHandler), Apply: func(string, ticket.Revocation) {}, settle: settle}
}

// read returns when a node that starts now takes it that it has all revocations. It calls meanwhile as soon as the node
// reads the stream.
func read(t *testing.T, r *Reader, meanwhile func()) {
	t.Helper()
	r.Start()
	stop := make(chan struct{})
	var restoring sync.WaitGroup
	restoring.Go(func() { r.Restore(stop) })
	meanwhile()
	r.Tickets.AwaitComplete(t.Context())
	close(stop)
	restoring.Wait()
}

// TestNewStream checks that a node waits for the revocations that other nodes publish again in a new stream of an external
// NATS, and trusts that of its own NATS at once.
func TestNewStream(t *testing.T) {
	hub := open(t, broker.Config{Listen: "127.0.0.1:0"})
	b := open(t, broker.Config{URL: "nats://" + hub.ListenAddr()})
	r := reader(b, 3*time.Second)
	read(t, r, func() {
		for begun := time.Now(); !r.isNew.Load(); time.Sleep(time.Millisecond) {
			if time.Since(begun) > 10*time.Second {
				t.Fatal("the node trusts a new stream at once")
			}
		}
		revoked := fmt.Appendf(nil, `{"user":7,"until_ms":%d}`, time.Now().UnixMilli())
		if _, err := hub.Publish(t.Context(), topic.Revocations, site, revoked); err != nil {
			t.Fatal(err)
		}
	})
	if !r.Tickets.Revoked(site, &claims) {
		t.Error("the node does not wait for what another one publishes again")
	}
	read(t, reader(hub, time.Hour), func() {})
}

// TestSettling checks for how long a node that has read a stream waits until it trusts it.
func TestSettling(t *testing.T) {
	hub := open(t, broker.Config{Listen: "127.0.0.1:0"})
	b := open(t, broker.Config{URL: "nats://" + hub.ListenAddr()})
	for _, c := range []struct {
		name        string
		born, again time.Duration // ago; 0: none
		want        time.Duration
	}{
		{"an old stream, whose first message is gone", 0, 0, 0},
		{"a new stream", 20 * time.Second, 0, 25 * time.Second},
		{"a stream that has settled", time.Minute, 30 * time.Second, 0},
		{"nodes are still publishing", time.Minute, 5 * time.Second, 10 * time.Second},
		{"all revocations look old", 170 * time.Second, time.Second, 10 * time.Second},
		{"all revocations look old, and the stream is old enough", time.Hour, time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := reader(b, settleTime)
			r.settling = make(chan time.Duration, 1)
			r.settling <- time.Hour // not read yet: it is replaced
			r.Tickets.SetIncomplete()
			now := b.Now()
			r.subscribed(1, topic.Cursor{Epoch: "e", Seq: 3})
			first := uint64(2)
			if c.born > 0 {
				first = 1
			}
			r.receive(broker.Message{Cursor: topic.Cursor{Epoch: "e", Seq: first}, Stored: now.Add(-c.born)})
			last := broker.Message{Cursor: topic.Cursor{Epoch: "e", Seq: 3}, Site: site, Stored: now}
			if c.again > 0 {
				last.Data, last.Stored = []byte(`{"user":7,"until_ms":1000000000001}`), now.Add(-c.again)
			}
			r.receive(last)
			wait := <-r.settling
			if c.want == 0 {
				wait -= time.Hour
			}
			if short := c.want - wait; short < 0 || short > 10*time.Second {
				t.Errorf("it waits for %v, want %v", wait, c.want)
			}
			if r.isNew.Load() != (c.want > 0) {
				t.Errorf("it does not trust the stream: %v", r.isNew.Load())
			}
		})
	}
}
