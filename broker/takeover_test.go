package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestOldBeatTakesNothingOver has a page that moves to another node, whose old node then
// gets another beat of it, with an old or a new date. The page must stay on the other node
// when its session on the old one ends.
func TestOldBeatTakesNothingOver(t *testing.T) {
	for _, watched := range []bool{true, false} {
		for _, second := range []int{1, 9} {
			t.Run(fmt.Sprint("watched ", watched, ", date ", second), func(t *testing.T) {
				t.Parallel()
				old := open(t, Config{Listen: "127.0.0.1:0", Node: "old"})
				url := "nats://" + old.ListenAddr()
				b := open(t, Config{URL: url, Node: "new"})
				if watched {
					watch(t, old, "site")
				}
				v, d := watch(t, b, "site")
				k := page("r", "user-1", "x")
				old.Hold(k, at(1, "x"))
				d.want(t, "joined user-1")
				b.TakeOver(k, at(5, "y"), b.Arrive())
				waitWritten(t, b)
				old.Hold(k, at(second, "z"))
				waitWritten(t, old)
				old.Leave(k)
				waitWritten(t, old)
				old.Hold(page("r", "user-2", "x"), at(1, "x")) // is written after that
				eventually(t, "the second page", func() bool { return d.last() == "joined user-2" })
				d.want(t, "joined user-1, updated user-1, joined user-2")
				if b.holds(k) == nil || inRoom(v, "r") != "user-1 user-2" {
					t.Errorf("the other node holds the page: %v, and shows %q", b.holds(k) != nil, inRoom(v, "r"))
				}
			})
		}
	}
}

// TestHeldElsewhere checks what a node does with a key that another node holds and that it
// has no item for.
func TestHeldElsewhere(t *testing.T) {
	k := page("r", "user-1", "a")
	for _, c := range []struct {
		name   string
		there  *presence.Stored
		write  func(*Broker)
		writes bool
	}{
		{"a beat", heldThere(k, at(1, "x")), func(b *Broker) { b.Hold(k, at(9, "y")) }, false},
		{"a beat by POST", heldThere(k, at(1, "x")), func(b *Broker) { b.Put(k, at(9, "y")) }, false},
		{"a hello", heldThere(k, at(9, "x")), func(b *Broker) { b.TakeOver(k, at(1, "y"), b.Arrive()) }, true},
		{"a beat for what nobody holds", foreignValue(k, at(1, "x")), func(b *Broker) { b.Hold(k, at(9, "y")) }, true},
		{"a beat by POST for what nobody holds", foreignValue(k, at(1, "x")), func(b *Broker) { b.Put(k, at(9, "y")) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := manualBroker()
			_, d := manualView(b)
			b.update(entry{name: k.String(), value: c.there.JSON(), rev: 5})
			c.write(b)
			if _, msg := b.next(); (msg != nil) != c.writes || (b.holds(k) != nil) != c.writes {
				t.Errorf("written: %v, want %v", msg != nil, c.writes)
			}
			if !c.writes {
				d.want(t, "joined user-1")
			}
		})
	}
}

// TestRemovedPageReturns checks that the next beat of a page brings back what Remove has
// deleted.
func TestRemovedPageReturns(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	_, d := watch(t, b, "site")
	k := page("r", "user-1", "a")
	b.TakeOver(k, at(1, "x"), b.Arrive())
	waitWritten(t, b)
	if err := other.Remove(k); err != nil {
		t.Fatal(err)
	}
	d.want(t, "joined user-1, left user-1")
	b.Hold(k, at(2, "x"))
	d.want(t, "joined user-1, left user-1, joined user-1")
	waitWritten(t, b)
	if it := b.holds(k); it == nil || it.written != confirmed {
		t.Error("the page is not written again")
	}
}

// TestLostTakeOver loses the ack of a take-over, while another node writes. The node may still take
// over until the page disconnects.
func TestLostTakeOver(t *testing.T) {
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprint("connected ", connected), func(t *testing.T) {
			b := manualBroker()
			k := page("r", "user-1", "a")
			b.TakeOver(k, at(1, "x"), b.Arrive())
			msg := nextWrite(t, b)
			if !connected {
				b.Disconnected(k)
			}
			deliver(b, k, foreignValue(k, at(2, "x")), 10)
			b.completed(msg.Reply, 0, nats.ErrTimeout)
			b.down = nil
			want := "0" // which NATS refuses
			if connected {
				want = "10"
			}
			if got := nextWrite(t, b).Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != want {
				t.Errorf("the write expects revision %q, want %q", got, want)
			}
		})
	}
}

// TestPause lets the process stand still with a take-over in the queue, and with an arrival
// that has not written yet. Neither may replace what another node has written meanwhile.
func TestPause(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, 4 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := manualBroker()
				b.pulse = time.Now()
				queued, late := page("r", "user-1", "a"), page("r", "user-2", "a")
				arrival := b.Arrive()
				b.TakeOver(queued, at(1, "x"), arrival)
				time.Sleep(pause)
				b.TakeOver(late, at(1, "x"), arrival)
				for _, k := range []presence.Key{queued, late} {
					deliver(b, k, foreignValue(k, at(2, "x")), 10)
				}
				want := "10"
				if pause > maxPause {
					want = "0" // which NATS refuses
				}
				for range 2 {
					if got := nextWrite(t, b).Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != want {
						t.Errorf("the write expects revision %q, want %q", got, want)
					}
				}
				if (len(b.check) > 0) != (pause > maxPause) {
					t.Errorf("the clock of NATS is asked again: %v", len(b.check) > 0)
				}
				if b.Arrive() == 0 != (pause > maxPause) {
					t.Error("a hello right after a pause may be an old one, others may not")
				}
				b.pulse = time.Now().Add(maxPause)
				if time.Sleep(maxPause); b.Arrive() == 0 {
					t.Error("a hello later on takes nothing over")
				}
			})
		})
	}
}

// TestLost checks how the entry of a page ends that has lost its link.
func TestLost(t *testing.T) {
	k := page("r", "user-1", "a")
	for _, c := range []struct {
		name    string
		there   *presence.Stored
		beats   bool
		ago     time.Duration
		stalls  time.Duration // this process, since the last renewal
		expires string        // how long it lives; empty: it is purged
	}{
		{"taken over", heldThere(k, at(1, "x")), false, 20 * time.Second, 0, "40s"},
		{"taken over, and held again", heldThere(k, at(1, "x")), true, 20 * time.Second, 0, ""},
		{"taken over, and lost a TTL ago", heldThere(k, at(1, "x")), false, 2 * time.Minute, 0, "20s"},
		{"taken over, and lost and renewed a TTL ago", heldThere(k, at(1, "x")), false, 2 * time.Minute, 2 * time.Minute, ""},
		{"of no link before", foreignValue(k, at(1, "x")), false, 20 * time.Second, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := manualBroker()
				b.update(entry{name: k.String(), value: c.there.JSON(), rev: 5})
				b.TakeOver(k, at(2, "y"), b.Arrive())
				acknowledge(b, nextWrite(t, b), 6)
				if c.beats {
					b.Hold(k, at(3, "z"))
					acknowledge(b, nextWrite(t, b), 7)
				}
				time.Sleep(c.stalls)
				b.Lost(k, time.Now().Add(-c.ago))
				msg := nextWrite(t, b)
				if c.expires == "" {
					if op := msg.Header.Get(bucket.OperationHeader); op != kvPurged {
						t.Errorf("operation %q, want a purge", op)
					}
					return
				}
				_, stored, err := presence.ParseStored(k.String(), msg.Data)
				if err != nil || stored.Held {
					t.Errorf("the link still holds %+v: %v", stored, err)
				}
				if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != c.expires {
					t.Errorf("it lives for %q, want %q", ttl, c.expires)
				}
			})
		})
	}
}

// TestTakeOversAfterOutage has a page that moved while NATS was away, to another node or to PHP: that is written
// first, and then the take-over of the node where the page was before. The entry does not leave when this one ends.
func TestTakeOversAfterOutage(t *testing.T) {
	k := page("r", "user-1", "a")
	for name, there := range map[string]*presence.Stored{"to a node": heldThere(k, at(2, "y")), "to PHP": foreignValue(k, at(2, "y"))} {
		for _, watched := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", watched ", watched), func(t *testing.T) {
				b := manualBroker()
				b.TakeOver(k, at(1, "x"), b.Arrive())
				msg := nextWrite(t, b)
				if watched {
					deliver(b, k, there, 10)
					b.completed(msg.Reply, 0, nats.ErrTimeout)
					b.down = nil
				} else {
					b.completed(msg.Reply, 0, &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence})
					b.lookedUp(<-b.lookups, &jetstream.RawStreamMsg{Sequence: 10, Data: there.JSON()}, nil)
				}
				acknowledge(b, nextWrite(t, b), 11)
				b.Lost(k, time.Now())
				if msg := nextWrite(t, b); len(msg.Data) == 0 {
					t.Error("the entry leaves")
				}
			})
		}
	}
}

// lost notes that the link of a page has been gone for some time.
func (b *Broker) lost(k presence.Key, ago time.Duration) {
	b.Disconnected(k)
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	it.away = it.away.Add(-ago)
}

// TestPosted lets a page post a beat to one node while another one holds its entry. If its link is gone, the
// entry does not leave when the session ends, unless the page may have posted the beat before.
func TestPosted(t *testing.T) {
	for name, c := range map[string]struct {
		connected, stays bool
		gone             time.Duration
	}{
		"connected": {connected: true}, "just gone": {}, "gone": {gone: LateBeat, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holder := open(t, Config{Listen: "127.0.0.1:0", Node: "holder"})
			b := open(t, Config{URL: "nats://" + holder.ListenAddr(), Node: "other"})
			_, d := watch(t, b, "site")
			k, last := page("r", "user-1", "x"), page("r", "user-2", "x")
			for _, k := range []presence.Key{k, last} {
				holder.TakeOver(k, at(1, "x"), holder.Arrive())
			}
			d.wantSet(t, "joined user-1, joined user-2")
			holder.lost(last, LateBeat)
			if !c.connected {
				holder.lost(k, c.gone)
			}
			b.Posted(k)
			b.Posted(last) // is heard after the other one
			eventually(t, "the node that holds the entry hears of it", func() bool {
				holder.mu.Lock()
				defer holder.mu.Unlock()
				return holder.items[last.String()].unproven
			})
			holder.Lost(k, time.Now())
			holder.Leave(last)
			eventually(t, "the last change", func() bool { return d.last() == "left user-2" })
			if left := d.count(presence.Left, "user-1") > 0; left == c.stays {
				t.Errorf("changes: %s", d)
			}
		})
	}
}
