package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestLostWhileNATSFailed has a page lose its link while NATS does not work: another node may not have written its
// entry yet, so it ends by itself, one TTL after the page lost its link.
func TestLostWhileNATSFailed(t *testing.T) {
	k := page("r", "user-1", "a")
	fail := func(t *testing.T, b *Broker) {
		b.completed(nextWrite(t, b).Reply, 0, nats.ErrTimeout)
		time.Sleep(time.Second)
		b.down = nil
	}
	for name, c := range map[string]struct {
		lose func(*testing.T, *Broker) // within ten seconds
		ttl  string                    // of the next write; empty: it is a purge
	}{
		"NATS fails": {func(t *testing.T, b *Broker) {
			b.Hold(k, at(2, "y"))
			fail(t, b)
			b.Lost(k, time.Now().Add(-10*time.Second))
		}, "50s"},
		"before NATS works again": {func(t *testing.T, b *Broker) {
			b.Hold(k, at(2, "y"))
			lost := time.Now()
			fail(t, b)
			acknowledge(b, nextWrite(t, b), 6)
			b.Lost(k, lost)
		}, "59s"},
		"after NATS works again": {func(t *testing.T, b *Broker) {
			b.Hold(k, at(2, "y"))
			fail(t, b)
			acknowledge(b, nextWrite(t, b), 6)
			time.Sleep(time.Second)
			b.Lost(k, time.Now())
		}, ""},
		"while its last value is written": {func(t *testing.T, b *Broker) {
			b.Hold(k, at(2, "y"))
			lost := time.Now()
			fail(t, b)
			msg := nextWrite(t, b)
			b.Lost(k, lost)
			time.Sleep(time.Second)
			acknowledge(b, msg, 6)
		}, "58s"},
		"before it was known": {func(t *testing.T, b *Broker) {
			b.Lost(k, time.Now())
			fail(t, b)
		}, "59s"},
		"before the connection was lost": {func(t *testing.T, b *Broker) {
			b.Lost(k, time.Now())
			nextWrite(t, b)
			time.Sleep(time.Second)
			b.failedTask(health.Binding, nats.ErrDisconnected, 0)
			b.requeueInFlight()
			b.didTask(health.Binding)
		}, "59s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := manualBroker()
				b.link.nc = &nats.Conn{}
				b.Hold(k, at(1, "x"))
				acknowledge(b, nextWrite(t, b), 5)
				c.lose(t, b)
				msg := nextWrite(t, b)
				if c.ttl == "" {
					if op := msg.Header.Get(bucket.OperationHeader); op != kvPurged {
						t.Errorf("operation %q, want a purge", op)
					}
					return
				}
				_, stored, err := presence.ParseStored(k.String(), msg.Data)
				if ttl := msg.Header.Get(jetstream.MsgTTLHeader); err != nil || stored.Held || ttl != c.ttl {
					t.Errorf("it lives for %q, want %q: %+v, %v", ttl, c.ttl, stored, err)
				}
			})
		})
	}
}

// TestLostOfHiddenPage has a hidden page, whose entry is not renewed, lose its link while NATS does not work: the entry
// ends when it would have ended anyway, and the page can post beats.
func TestLostOfHiddenPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, k := manualBroker(), page("r", "user-1", "a")
		b.Hold(k, at(1, "x"))
		b.StopRenewing(k)
		b.completed(nextWrite(t, b).Reply, 0, nats.ErrTimeout)
		time.Sleep(10 * time.Second)
		b.Lost(k, time.Now())
		if b.items[k.String()].leaves() {
			t.Error("the entry leaves the views of this node")
		}
		b.down = nil
		msg := nextWrite(t, b)
		_, stored, err := presence.ParseStored(k.String(), msg.Data)
		if ttl := msg.Header.Get(jetstream.MsgTTLHeader); err != nil || stored.Held || ttl != "50s" {
			t.Errorf("it lives for %q, want 50s: %+v, %v", ttl, stored, err)
		}
	})
}

// purgeWithoutAck returns a broker that has not got the ack of the purge of a lost page's entry, whose revision was 5.
func purgeWithoutAck(t *testing.T) (*Broker, presence.Key) {
	b, k := manualBroker(), page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	acknowledge(b, nextWrite(t, b), 5)
	b.Lost(k, time.Now())
	b.completed(nextWrite(t, b).Reply, 0, nats.ErrTimeout)
	b.down = nil
	return b, k
}

// refuse refuses the next write of a key, of which NATS has only the marker of a purge.
func refuse(t *testing.T, b *Broker) {
	b.completed(nextWrite(t, b).Reply, 0, &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence})
	b.lookedUp(<-b.lookups, &jetstream.RawStreamMsg{Sequence: 6, Header: nats.Header{bucket.OperationHeader: {kvPurged}}}, nil)
}

// TestPurgeWithoutAck loses the ack of a purge: the entry does not come back.
func TestPurgeWithoutAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, k := purgeWithoutAck(t)
		refuse(t, b)
		if _, msg := b.next(); msg != nil || b.items[k.String()] != nil {
			t.Errorf("written: %v, kept: %v", msg, b.items[k.String()])
		}
	})
}

// TestLostAndBack has a page come back after its purge was not acknowledged: its entry is written, though NATS has none.
func TestLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, k := purgeWithoutAck(t)
		b.Hold(k, at(2, "y"))
		refuse(t, b)
		if msg := nextWrite(t, b); len(msg.Data) == 0 {
			t.Error("the entry is not written")
		}
	})
}

// TestLeaveAndLost has a user log out after or before the page lost its link while NATS does not work: the entry leaves.
func TestLeaveAndLost(t *testing.T) {
	for name, end := range map[string]func(*Broker, presence.Key){
		"Lost, Leave": func(b *Broker, k presence.Key) { b.Lost(k, time.Now()); b.Leave(k) },
		"Leave, Lost": func(b *Broker, k presence.Key) { b.Leave(k); b.Lost(k, time.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, k := manualBroker(), page("r", "user-1", "a")
				b.Hold(k, at(1, "x"))
				acknowledge(b, nextWrite(t, b), 5)
				end(b, k)
				b.completed(nextWrite(t, b).Reply, 0, nats.ErrTimeout)
				b.Lost(k, time.Now())
				b.down = nil
				if op := nextWrite(t, b).Header.Get(bucket.OperationHeader); op != kvPurged {
					t.Errorf("operation %q, want a purge", op)
				}
			})
		})
	}
}

// TestLostUnsent has a page lose its link while its first value could not be written: nobody hears of it.
func TestLostUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, k := manualBroker(), page("r", "user-1", "a")
		b.failedTask(health.Binding, nats.ErrDisconnected, 0)
		b.Put(k, at(1, "x"))
		b.Lost(k, time.Now())
		if _, msg := b.next(); msg != nil {
			t.Errorf("written: %v", msg)
		}
	})
}

// TestLostExclusive has a page lose its link while no other node can have it: its entry leaves, also while NATS
// does not work.
func TestLostExclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, k := manualBroker(), page("r", "user-1", "a")
		b.exclusive = true
		b.Hold(k, at(1, "x"))
		b.failedTask(health.Binding, nats.ErrDisconnected, 0)
		b.Lost(k, time.Now())
		if b.items[k.String()] != nil {
			t.Error("the entry stays")
		}
	})
}
