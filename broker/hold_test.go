package broker

import (
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/wheel"
)

func TestHoldAndLeave(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	v, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	k := page("admin/online", "user-1", "a")

	b.Hold(k, at(1, "dashboard"))
	if got := inRoom(v, "admin/online"); got != "user-1" {
		t.Fatalf("in the room on this node right after Hold: %q", got)
	}
	d2.want(t, "joined user-1")
	b.Hold(k, at(2, "dashboard"))
	b.Hold(k, at(3, "posts"))
	b.Leave(k)
	if got := inRoom(v, "admin/online"); got != "" {
		t.Fatalf("in the room on this node right after Leave: %q", got)
	}
	d.want(t, "joined user-1, seen user-1, updated user-1, left user-1")
	eventually(t, "left on the other node", func() bool { return d2.last() == "left user-1" })
	waitWritten(t, b)
	b.Leave(k) // the key is gone already
	b.Leave(page("admin/online", "user-2", "a"))
	d.want(t, "joined user-1, seen user-1, updated user-1, left user-1")
}

// TestHoldAfterLeave holds a key again before its purge is acknowledged.
func TestHoldAfterLeave(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	v, d := watch(t, b, "site")
	k := page("r", "user-1", "a")
	want := ""
	for range 100 {
		b.Hold(k, at(1, "x"))
		b.Leave(k)
		want += "joined user-1, left user-1, "
	}
	b.Hold(k, at(2, "x"))
	waitWritten(t, b)
	b.Hold(page("r", "user-2", "a"), at(1, "x")) // the watch brings it after the writes before
	waitWritten(t, b)
	d.want(t, want+"joined user-1, joined user-2")
	if got := inRoom(v, "r"); got != "user-1 user-2" {
		t.Errorf("in the room: %q", got)
	}
}

// TestRenewal checks that renewed entries do not expire, and that renewals cause no changes.
func TestRenewal(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL})
	url := "nats://" + b.ListenAddr()
	other := open(t, Config{URL: url, TTL: testTTL})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	published := recordMessages(t, url)

	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	eventually(t, "renewals for more than two TTLs", func() bool { return published.count("user-1") >= 8 })
	d.want(t, "joined user-1")
	d2.want(t, "joined user-1")
	for _, m := range published.all() {
		if string(m.Data) != string(published.all()[0].Data) {
			t.Errorf("renewed as %s %v", m.Data, m.Header)
		}
	}
}

func TestRenewalsAreSpread(t *testing.T) {
	b := newBroker(Config{TTL: time.Minute, Node: "n"})
	for i := range 10_000 {
		b.Hold(page("r", "user", time.Duration(i).String()), at(1, "x"))
	}
	sent := func() (n int) {
		for b.queue.Len() > 0 {
			it := b.queue.Remove(b.queue.Front()).(*item)
			it.queued, it.pending = nil, nothing
			n++
		}
		return n
	}
	if n := sent(); n != 10_000 {
		t.Fatalf("%d of 10,000 items were queued at first", n)
	}
	total := 0
	for i := range wheel.Slots {
		b.renewSlot()
		n := sent()
		if total += n; n > 200 {
			t.Errorf("%d renewals in step %d of %d, want at most 200", n, i, wheel.Slots)
		}
	}
	if total != 10_000 {
		t.Errorf("%d renewals in a third of the TTL", total)
	}
}

func TestPutExpires(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL})
	other := open(t, Config{URL: "nats://" + b.ListenAddr(), TTL: testTTL})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	start := time.Now()
	b.Put(page("r", "user-1", "poll"), at(1, "x"))
	d2.want(t, "joined user-1, left user-1")
	took := time.Since(start)
	d.want(t, "joined user-1, left user-1")
	if took < testTTL || took > 2*testTTL {
		t.Errorf("an entry with a TTL of %v expired after %v", testTTL, took)
	}
	eventually(t, "the end of the item", func() bool { return b.holds(page("r", "user-1", "poll")) == nil })
}

func TestStopRenewing(t *testing.T) {
	t.Parallel()
	b := open(t, Config{TTL: testTTL})
	_, d := watch(t, b, "site")
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	waitWritten(t, b)
	b.StopRenewing(k)
	d.want(t, "joined user-1, left user-1")
	eventually(t, "the end of the item", func() bool { return b.holds(k) == nil })

	b.Hold(k, at(2, "x")) // the tab is visible again
	first := b.holds(k).until
	eventually(t, "a renewal", func() bool { return b.holds(k).until.After(first.Add(testTTL)) })
	d.want(t, "joined user-1, left user-1, joined user-1")
}

func TestPageMovesToAnotherNode(t *testing.T) {
	for name, watched := range map[string]bool{"watching": true, "not watching": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL, Node: "node-a"})
			url := "nats://" + a.ListenAddr()
			b := open(t, Config{URL: url, TTL: testTTL, Node: "node-b"})
			published := recordMessages(t, url)
			_, d := watch(t, b, "site")
			if watched {
				watch(t, a, "site")
			}
			k := page("r", "user-1", "x")
			a.Hold(k, at(1, "x"))
			d.want(t, "joined user-1")
			b.TakeOver(k, at(2, "x"), b.Arrive())
			eventually(t, "the first node drops the key", func() bool { return a.holds(k) == nil })
			a.Leave(k)
			renewed := published.count("node-b")
			eventually(t, "renewals for a TTL", func() bool { return published.count("node-b") >= renewed+4 })
			d.want(t, "joined user-1, seen user-1")
			if n := published.count("PURGE"); n > 0 {
				t.Errorf("%d purges", n)
			}
			if last := published.all()[len(published.all())-1]; !contains(last, "node-b") {
				t.Errorf("the last write is not of node-b: %s", last.Data)
			}
			b.Leave(k)
			d.want(t, "joined user-1, seen user-1, left user-1")
		})
	}
}

// TestLeaveKeepsEntryOfAnotherNode has a page that leaves a node which does not know yet
// that the page is connected to another one.
func TestLeaveKeepsEntryOfAnotherNode(t *testing.T) {
	t.Parallel()
	a := open(t, Config{Listen: "127.0.0.1:0", Node: "node-a"})
	url := "nats://" + a.ListenAddr()
	b := open(t, Config{URL: url, Node: "node-b"})
	published := recordMessages(t, url)
	k := page("r", "user-1", "x")
	a.Hold(k, at(1, "x"))
	waitWritten(t, a)
	b.TakeOver(k, at(1, "x"), b.Arrive())
	waitWritten(t, b)
	a.Leave(k)
	waitWritten(t, a)
	if a.holds(k) != nil || b.holds(k) == nil || published.count("PURGE") > 0 {
		t.Error("Leave deleted the entry of another node")
	}
	v, _ := watch(t, a, "site")
	if got := inRoom(v, "r"); got != "user-1" {
		t.Errorf("in the room: %q", got)
	}
}

func TestTwoTabs(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	v, d := watch(t, b, "site")
	one, two := page("r", "user-1", "a"), page("r", "user-1", "b")
	b.Hold(one, focused(at(1, "posts"), 5))
	b.Hold(two, focused(at(2, "pages"), 4))
	waitWritten(t, b)
	b.Leave(two)
	waitWritten(t, b)
	d.want(t, "joined user-1")
	b.Hold(two, focused(at(3, "pages"), 6))
	d.want(t, "joined user-1, updated user-1")
	b.Leave(two)
	d.want(t, "joined user-1, updated user-1, updated user-1")
	if got := inRoom(v, "r"); got != "user-1" {
		t.Errorf("in the room: %q", got)
	}
	b.Leave(one)
	d.want(t, "joined user-1, updated user-1, updated user-1, left user-1")
}

// TestPurgedEntryIsWrittenAgain checks that a node writes an entry again that a NATS client
// has purged while its page is connected.
func TestPurgedEntryIsWrittenAgain(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	url := "nats://" + b.ListenAddr()
	other := open(t, Config{URL: url})
	_, d := watch(t, b, "site")
	v2, d2 := watch(t, other, "site")
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	waitWritten(t, b)
	purge(t, connect(t, url), k)
	eventually(t, "another write", func() bool { return b.holds(k).written == confirmed && b.holds(k).rev > 2 })
	eventually(t, "the entry on the other node", func() bool { return d2.last() == "joined user-1" && inRoom(v2, "r") == "user-1" })
	d.want(t, "joined user-1")
}
