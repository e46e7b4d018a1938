package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
)

// TestRemoveEntryOfAnotherNode checks that the node that holds a removed entry stops
// renewing it, until its page beats again.
func TestRemoveEntryOfAnotherNode(t *testing.T) {
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
		t.Fatalf("in the room right after Remove: %q", got)
	}
	d2.want(t, "joined user-1, left user-1")
	waitWritten(t, b)
	published := recordMessages(t, url)
	holder.Hold(page("r", "user-2", "a"), at(1, "x"))
	eventually(t, "renewals for more than a TTL", func() bool { return published.count(`"user-2"`) >= 5 })
	for _, m := range published.all() {
		if strings.Contains(m.Subject, "user-1") && len(m.Data) > 0 {
			t.Errorf("it was written again: %s", m.Data)
		}
	}
	holder.Hold(k, at(2, "x"))
	d.want(t, "joined user-1, left user-1, joined user-2, joined user-1")
}

// TestRemoveRightAfterPut checks that a removal is written after the value before it.
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
	waitWritten(t, b)
	if err := b.Remove(page("r", "nobody", "poll")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(page("r", "user-2", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last Put", func() bool { return d.last() == "joined user-2" })
	v, _ := watch(t, other, "site")
	if got := inRoom(v, "r"); got != "user-2" {
		t.Errorf("in the room: %q", got)
	}
	eventually(t, "the end of the removed items", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.items) == 1
	})
}

// TestRemoveItemLimit checks that a site that has used up its budget can still remove entries.
func TestRemoveItemLimit(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	b.budgets.Entries.Add("site", 100_000-1)
	if err := b.Put(page("r", "user-1", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	if b.Put(page("r", "user-2", "poll"), at(1, "x")) == nil {
		t.Error("no error at the limit of entries")
	}
	if err := b.Remove(page("r", "user-2", "poll")); err != nil {
		t.Error(err)
	}
}

// TestRemovalDuringWrite has a removal by another node while a write of this node is in
// flight. The later one of the two counts.
func TestRemovalDuringWrite(t *testing.T) {
	k := page("r", "user-1", "a")
	remoteRemoval := func(b *Broker, rev uint64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.remoteChange(k.String(), nil, rev, true)
	}
	for _, c := range []struct {
		name         string
		removed, own uint64
		holds        bool
	}{
		{"removal after the write", 10, 9, false},
		{"removal before the write", 8, 9, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := manualBroker()
			b.Hold(k, at(1, "x"))
			msg := nextWrite(t, b)
			remoteRemoval(b, c.removed)
			acknowledge(b, msg, c.own)
			if holds := b.items[k.String()] != nil; holds != c.holds {
				t.Errorf("held: %v, want %v", holds, c.holds)
			}
		})
	}
	t.Run("found by a look-up", func(t *testing.T) {
		b := manualBroker()
		b.Hold(k, at(1, "x"))
		acknowledge(b, nextWrite(t, b), 3)
		b.mu.Lock()
		it := b.items[k.String()]
		it.busy = true // as if a renewal had found another revision than 3
		b.lookingUp++
		b.mu.Unlock()
		b.lookedUp(lookup{it: it, epoch: b.epoch}, &jetstream.RawStreamMsg{Sequence: 4, Header: nats.Header{bucket.OperationHeader: {kvRemoved}}}, nil)
		if b.items[k.String()] != nil {
			t.Error("the removed key is still held")
		}
	})
}
