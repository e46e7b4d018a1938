package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
)

// Whoever holds an entry that is taken away stops, until its page says again
// that it is here.
func TestRemoveWhatAnotherNodeHolds(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL})
	url := "nats://" + b.ListenAddr()
	holder := open(t, Config{URL: url, TTL: testTTL})
	v, d := watch(t, b, "site")
	_, d2 := watch(t, holder, "site")
	k := page("r", "user-1", "a")
	holder.Hold(k, at(1, "x"))
	d.want(t, "joined user-1")

	if err := b.Remove(k); err != nil {
		t.Fatal(err)
	}
	if got := inRoom(v, "r"); got != "" {
		t.Fatalf("this node still sees %q", got)
	}
	d2.want(t, "joined user-1, left user-1")
	settled(t, b)
	wire := tap(t, url)
	holder.Hold(page("r", "user-2", "a"), at(1, "x"))
	eventually(t, "renewals for more than a TTL", func() bool { return wire.count(`"user-2"`) >= 5 })
	for _, m := range wire.all() {
		if strings.Contains(m.Subject, "user-1") && len(m.Data) > 0 {
			t.Errorf("it was written again: %s", m.Data)
		}
	}
	holder.Hold(k, at(2, "x"))
	d.want(t, "joined user-1, left user-1, joined user-2, joined user-1")
}

// A removal goes out after what was written before it, however fast it comes.
func TestRemoveRightAfterPut(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	_, d := watch(t, other, "site")
	k := page("r", "user-1", "poll")
	for range 100 {
		if err := b.Put(k, at(1, "x")); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(k); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, b)
	if err := b.Remove(page("r", "nobody", "poll")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(page("r", "user-2", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last", func() bool { return d.last() == "joined user-2" })
	v, _ := watch(t, other, "site")
	if got := inRoom(v, "r"); got != "user-2" {
		t.Errorf("in the room: %q", got)
	}
	eventually(t, "nothing else is said any more", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.items) == 1
	})
}

func TestRemoveIsBounded(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	b.maxItems = 1
	if err := b.Put(page("r", "user-1", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	if b.Remove(page("r", "user-2", "poll")) == nil || b.Put(page("r", "user-2", "poll"), at(1, "x")) == nil {
		t.Error("more than the node may hold")
	}
}

// A removal that crosses a write of ours: whichever NATS has last counts.
func TestRemovalCrossesAWrite(t *testing.T) {
	k := page("r", "user-1", "a")
	taken := func(b *Broker, rev uint64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.remoteChange(k.String(), nil, rev, true)
	}
	for _, c := range []struct {
		name         string
		removed, own uint64
		holds        bool
	}{
		{"it came after us", 10, 9, false},
		{"it came before us", 8, 9, true},
	} {
		b := byHand()
		b.Hold(k, at(1, "x"))
		msg := take(t, b)
		taken(b, c.removed)
		ack(b, msg, c.own)
		if holds := b.items[k.String()] != nil; holds != c.holds {
			t.Errorf("%s: still held: %v", c.name, holds)
		}
	}

	b := byHand()
	b.Hold(k, at(1, "x"))
	ack(b, take(t, b), 3)
	b.mu.Lock()
	it := b.items[k.String()]
	it.busy = true // a renewal of ours found another revision than 3
	b.lookingUp++
	b.mu.Unlock()
	b.lookedUp(lookup{it: it, epoch: b.epoch}, &jetstream.RawStreamMsg{Sequence: 4, Header: nats.Header{bucket.OperationHeader: {kvTaken}}}, nil)
	if b.items[k.String()] != nil {
		t.Error("a renewal that came late brings it back")
	}
}
