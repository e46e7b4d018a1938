package broker

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/wheel"
)

// The tests in this file take the part of NATS: they acknowledge writes and deliver changes
// in an order that the test chooses.

// manualBroker returns a broker without connection, whose writes the test takes and acknowledges.
func manualBroker() *Broker {
	b := newBroker(Config{TTL: time.Minute, Node: "here", Logger: slog.New(slog.DiscardHandler)})
	b.link, b.down, b.health = &link{}, nil, health.Health{}
	return b
}

// nextWrite returns the next write.
func nextWrite(t *testing.T, b *Broker) *nats.Msg {
	t.Helper()
	_, msg := b.next()
	if msg == nil {
		t.Fatal("nothing to write")
	}
	return msg
}

func acknowledge(b *Broker, msg *nats.Msg, rev uint64) { b.completed(msg.Reply, rev, nil) }

// deliver delivers a change of another node, as a watch does.
func deliver(b *Broker, k presence.Key, stored *presence.Stored, rev uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remoteChange(k.String(), stored, rev, false)
}

// foreignValue returns s as another node wrote it.
func foreignValue(k presence.Key, s presence.Stored) *presence.Stored {
	s = in(k, s)
	s.Node = "there"
	return &s
}

// heldThere returns s as another node wrote it for a page with a link.
func heldThere(k presence.Key, s presence.Stored) *presence.Stored {
	v := foreignValue(k, s)
	v.Held = true
	return v
}

// TestLastWriterHoldsPage delivers the write of another node before the ack of this node's
// write.
func TestLastWriterHoldsPage(t *testing.T) {
	k := page("r", "user-1", "a")
	for _, c := range []struct {
		name         string
		foreign, own uint64
		holds        bool
	}{
		{"the other node wrote last", 10, 9, false},
		{"this node wrote last", 8, 9, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := manualBroker()
			b.Hold(k, at(1, "x"))
			msg := nextWrite(t, b)
			deliver(b, k, foreignValue(k, at(2, "x")), c.foreign)
			if b.holds(k) == nil {
				t.Error("dropped before the ack")
			}
			acknowledge(b, msg, c.own)
			if (b.holds(k) != nil) != c.holds {
				t.Errorf("after the ack: held: %v, want %v", b.holds(k) != nil, c.holds)
			}
			deliver(b, k, foreignValue(k, at(2, "x")), 8) // the watch is behind
			if (b.holds(k) != nil) != c.holds {
				t.Errorf("after an older write: held: %v, want %v", b.holds(k) != nil, c.holds)
			}
			deliver(b, k, foreignValue(k, at(3, "x")), 11)
			if b.holds(k) != nil {
				t.Error("held after a newer write of the other node")
			}
		})
	}
}

// TestTakeOverDuringRemoteWrite has a page that leaves this node and returns to it while the
// first write of this node is in flight. This node keeps it.
func TestTakeOverDuringRemoteWrite(t *testing.T) {
	k := page("r", "user-1", "a")
	b := manualBroker()
	b.Hold(k, at(1, "x"))
	msg := nextWrite(t, b)
	b.TakeOver(k, at(1, "y"), b.Arrive())
	deliver(b, k, foreignValue(k, at(2, "x")), 10)
	acknowledge(b, msg, 9)
	msg = nextWrite(t, b)
	if got := msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != "10" {
		t.Errorf("the take-over expects revision %q, want that of the other node", got)
	}
	if acknowledge(b, msg, 11); b.holds(k) == nil {
		t.Error("dropped, although the page is connected to this node")
	}
}

// TestExpectedRevisions checks which revision each write expects: the last one that is known.
func TestExpectedRevisions(t *testing.T) {
	synctest.Test(t, testExpectedRevisions)
}

func testExpectedRevisions(t *testing.T) {
	k := page("r", "user-1", "a")
	b := manualBroker()
	expected := func(want string) *nats.Msg {
		t.Helper()
		msg := nextWrite(t, b)
		if got := msg.Header.Values(jetstream.ExpectedLastSubjSeqHeader); len(got) != 1 || got[0] != want {
			t.Errorf("the write expects revision %q, want %q", got, want)
		}
		return msg
	}
	renew := func() {
		for range wheel.Slots {
			time.Sleep(b.step())
			b.renewSlot()
		}
	}
	b.Hold(k, at(1, "x"))
	b.completed(expected("0").Reply, 0, nats.ErrTimeout)
	b.down = nil
	b.TakeOver(k, at(1, "x"), b.Arrive())
	b.completed(expected("0").Reply, 0, nats.ErrTimeout)
	b.down = nil
	acknowledge(b, expected("0"), 5)
	renew()
	acknowledge(b, expected("5"), 6)
	renew()
	b.completed(expected("6").Reply, 0, nats.ErrTimeout)
	b.down = nil
	acknowledge(b, expected("6"), 7)
	b.Hold(k, at(2, "x"))
	acknowledge(b, expected("7"), 8)
	b.Leave(k)
	acknowledge(b, expected("8"), 9)
	if len(b.items)+b.queue.Len()+len(b.inFlight) != 0 {
		t.Error("the item is not gone after the ack of its purge")
	}
}

// TestTakeOverOfLostRevision takes over a key of which the node knows a revision that NATS has lost.
func TestTakeOverOfLostRevision(t *testing.T) {
	k := page("r", "user-1", "a")
	b := manualBroker()
	b.revisions.Learn(bucket.Write{Name: k.String(), Rev: 50, Stored: foreignValue(k, at(1, "x"))}, b.clock())
	b.TakeOver(k, at(2, "x"), b.Arrive())
	for _, want := range []string{"50", "3"} {
		msg := nextWrite(t, b)
		if got := msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != want {
			t.Fatalf("the write expects revision %q, want %q", got, want)
		}
		b.completed(msg.Reply, 0, &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence})
		b.lookedUp(<-b.lookups, &jetstream.RawStreamMsg{Sequence: 3}, nil)
	}
}

// TestResolve checks what follows when a write did not find the revision that it expected.
func TestResolve(t *testing.T) {
	k := page("r", "user-1", "a")
	mine := in(k, at(5, "x"))
	mine.Node = "here"
	for _, c := range []struct {
		name    string
		current *presence.Stored // in the bucket
		rev     uint64           // in the bucket
		acked   bool             // this node's value was
		leaving bool
		held    bool
		next    string // the revision that the next write expects
	}{
		{"renewal, no key", nil, 0, true, false, true, "0"},
		{"renewal, delete marker", nil, 9, true, false, true, "9"},
		{"renewal, own value", &mine, 9, true, false, true, "9"},
		{"renewal, foreign value", foreignValue(k, at(1, "x")), 9, true, false, false, ""},
		{"renewal, NATS has lost the last write", foreignValue(k, at(1, "x")), 3, true, false, true, "3"},
		{"repetition, older held value", heldThere(k, at(4, "x")), 9, false, false, false, ""},
		{"repetition, newer held value", heldThere(k, at(6, "x")), 9, false, false, false, ""},
		{"repetition, foreign value that nobody holds", foreignValue(k, at(6, "x")), 9, false, false, true, "9"},
		{"purge, own value", &mine, 9, false, true, true, "9"},
		{"purge, foreign value", foreignValue(k, at(1, "x")), 9, false, true, false, ""},
		{"purge, no key", nil, 0, false, true, false, ""},
		{"purge, delete marker", nil, 9, false, true, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := manualBroker()
			b.Hold(k, at(5, "x"))
			acknowledge(b, nextWrite(t, b), 4)
			it := b.items[k.String()]
			it.written, it.pending = unconfirmed, repetition
			if c.acked {
				it.written = confirmed
			}
			if c.leaving {
				it.goal, it.pending = purged, nothing
			}
			msg := &jetstream.RawStreamMsg{Sequence: c.rev}
			if c.current != nil {
				msg.Data, _ = json.Marshal(c.current)
			}
			it.busy, b.lookingUp = true, 1
			if c.rev == 0 {
				b.lookedUp(lookup{it: it}, nil, jetstream.ErrMsgNotFound)
			} else {
				b.lookedUp(lookup{it: it}, msg, nil)
			}
			if (b.holds(k) != nil) != c.held {
				t.Errorf("held: %v, want %v", !c.held, c.held)
			} else if c.held {
				if got := nextWrite(t, b).Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != c.next {
					t.Errorf("the next write expects revision %q, want %q", got, c.next)
				}
			}
		})
	}
}

// TestPutsDuringOutage has a page that posts a beat to this node while it cannot write, and another one to another
// node before or after. The entry of the later one stays.
func TestPutsDuringOutage(t *testing.T) {
	k := page("r", "user-1", "a")
	for _, c := range []struct {
		name   string
		before time.Duration // of this node's beat
		header nats.Header
		stays  bool
	}{
		{"later there", -20 * time.Second, nil, true},
		{"earlier there", time.Second, nil, false},
		{"later there, and ends earlier", -20 * time.Second, nats.Header{jetstream.MsgTTLHeader: {"30s"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := manualBroker()
				_, d := manualView(b)
				written := time.Now().Add(-c.before)
				b.Put(k, at(1, "here"))
				b.completed(nextWrite(t, b).Reply, 0, nats.ErrTimeout)
				time.Sleep(30 * time.Second)
				b.down = nil
				b.completed(nextWrite(t, b).Reply, 0, &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence})
				there := foreignValue(k, at(2, "there"))
				b.lookedUp(<-b.lookups, &jetstream.RawStreamMsg{Sequence: 9, Time: written, Header: c.header, Data: there.JSON()}, nil)
				if _, msg := b.next(); (msg == nil) != c.stays {
					t.Errorf("this node writes: %v, want %v", msg != nil, !c.stays)
				}
				if c.stays {
					d.want(t, "joined user-1, updated user-1")
				}
			})
		})
	}
}

// TestEndOfPut checks that a node does not hide an entry when the last beat that it has itself is a TTL ago, since
// the watch may not have brought a later one yet.
func TestEndOfPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := manualBroker()
		_, d := manualView(b)
		k := page("r", "user-1", "a")
		b.Put(k, at(1, "x"))
		acknowledge(b, nextWrite(t, b), 5)
		b.sweep()
		for range 4 * wheel.Slots {
			time.Sleep(b.step())
			b.renewSlot()
			b.sweep()
			if time.Since(b.start) < bucket.Lifetime(b.ttl) {
				d.want(t, "joined user-1")
			}
		}
		d.want(t, "joined user-1, left user-1")
		if b.holds(k) != nil {
			t.Error("the item is still there")
		}
	})
}

// TestRefusedWriteWaitsForRenewal checks that a write that NATS refuses is not repeated
// before the next renewal.
func TestRefusedWriteWaitsForRenewal(t *testing.T) {
	b := manualBroker()
	errs, log := newErrorLog()
	b.log = log
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	b.completed(nextWrite(t, b).Reply, 0, &jetstream.APIError{ErrorCode: 10077, Description: "maximum bytes exceeded"})
	if b.queue.Len() != 0 || b.down != nil || errs.String() == "" {
		t.Errorf("queued: %d, down: %v, logged: %q", b.queue.Len(), b.down, errs)
	}
	for range wheel.Slots {
		b.renewSlot()
	}
	nextWrite(t, b)
}

func TestLookupError(t *testing.T) {
	b := manualBroker()
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	nextWrite(t, b)
	it := b.items[k.String()]
	b.lookingUp = 1
	b.lookedUp(lookup{it: it}, nil, errors.New("no answer"))
	if b.Ready() == nil || it.queued == nil {
		t.Error("the write is not queued again, or the broker is ready")
	}
}

// TestLatePutKeepsExpiry checks that an entry that is written late does not live longer.
func TestLatePutKeepsExpiry(t *testing.T) {
	b := manualBroker()
	k := page("r", "user-1", "poll")
	b.Put(k, at(1, "x"))
	msg := nextWrite(t, b)
	if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "" {
		t.Errorf("the first write has the TTL %s, want that of the bucket", ttl)
	}
	b.completed(msg.Reply, 0, nats.ErrTimeout)
	b.down = nil
	b.items[k.String()].until = time.Now().Add(9500 * time.Millisecond)
	msg = nextWrite(t, b)
	if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "10s" {
		t.Errorf("the late write has the TTL %q, want 10s", ttl)
	}
	acknowledge(b, msg, 1)
	if rest := time.Until(b.items[k.String()].until); rest > 10*time.Second {
		t.Errorf("the item ends in %v, want at most 10 s", rest)
	}
}

// TestPendingWritesOfClosedConnection checks that writes whose acks are lost with their
// connection are queued again.
func TestPendingWritesOfClosedConnection(t *testing.T) {
	b := manualBroker()
	k, gone := page("r", "user-1", "a"), page("r", "user-2", "a")
	b.Hold(k, at(1, "x"))
	b.Hold(gone, at(1, "x"))
	late := nextWrite(t, b)
	acknowledge(b, nextWrite(t, b), 1)
	b.Leave(gone)
	nextWrite(t, b)
	b.useLink(&link{nc: new(nats.Conn)}, &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: 1}}, 1)
	acknowledge(b, late, 2) // is ignored
	if b.holds(k).written == confirmed || b.queue.Len() != 2 || len(b.inFlight) != 0 {
		t.Errorf("queued %d, in flight %d", b.queue.Len(), len(b.inFlight))
	}
}

// TestNewBucketIsDetected checks that all entries are written again to a bucket that was
// created later, or that has fewer revisions than were seen.
func TestNewBucketIsDetected(t *testing.T) {
	created := time.Now()
	for name, info := range map[string]jetstream.StreamInfo{
		"created later":   {Created: created.Add(time.Second), State: jetstream.StreamState{LastSeq: 100}},
		"fewer revisions": {Created: created, State: jetstream.StreamState{LastSeq: 3}},
		"the same bucket": {Created: created, State: jetstream.StreamState{LastSeq: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			b := manualBroker()
			b.link.created = created
			b.Hold(page("r", "user-1", "a"), at(1, "x"))
			acknowledge(b, nextWrite(t, b), 99)
			b.useLink(&link{}, &info, b.lastSeq)
			if again := b.queue.Len() == 1; again == (name == "the same bucket") {
				t.Errorf("written again: %v", again)
			}
		})
	}
}
