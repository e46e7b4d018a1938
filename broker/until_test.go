package broker

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestPutUntil checks that an entry with an end of its own is there until then, on every
// node, and not longer.
func TestPutUntil(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL})
	other := open(t, Config{URL: "nats://" + b.ListenAddr(), TTL: testTTL})
	v, _ := watch(t, b, "site")
	_, d := watch(t, other, "site")
	until := time.Now().Add(3 * testTTL)
	if err := b.PutUntil(page("r", "import", "poll"), at(1, "x"), until); err != nil {
		t.Fatal(err)
	}
	d.want(t, "joined import")
	entries, _ := v.List(presence.Filter{}, 0, 1)
	if want := until.UTC().Format(time.DateTime); len(entries) != 1 || entries[0].ExpiresGMT != want {
		t.Errorf("%+v, want expires_gmt %s", entries, want)
	}
	d.want(t, "joined import, left import")
	if early := time.Until(until); early > 0 {
		t.Errorf("it left %v too early", early)
	}
}

// TestPutUntilEndsBeforeTTL checks that an entry may end before a TTL, also on a node that
// shares its bucket with no other.
func TestPutUntilEndsBeforeTTL(t *testing.T) {
	t.Parallel()
	b := open(t, Config{TTL: 20 * time.Second})
	_, d := watch(t, b, "site")
	k, start := page("r", "import", "poll"), time.Now()
	if err := b.PutUntil(k, at(1, "x"), start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	d.want(t, "joined import, left import")
	if took := time.Since(start); took < time.Second || took > 5*time.Second {
		t.Errorf("it left after %v, want about a second", took)
	}
}

// TestPutThenPutUntil checks that the ack of an earlier value, which had no end of its own, does
// not extend the life of a later value.
func TestPutThenPutUntil(t *testing.T) {
	t.Parallel()
	b := open(t, Config{TTL: 5 * time.Minute})
	v, _ := watch(t, b, "site")
	for i := range 100 {
		k := page("r", strconv.Itoa(i), "poll")
		if err := b.Put(k, at(1, "x")); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched() // the writer sends the value
		if err := b.PutUntil(k, at(2, "x"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no entry", func() bool {
		entries, _ := v.List(presence.Filter{}, 0, 1)
		return len(entries) == 0
	})
}

// TestPutUntilThenPut checks that a later value without an end of its own ends with its TTL.
func TestPutUntilThenPut(t *testing.T) {
	t.Parallel()
	b := open(t, Config{TTL: testTTL})
	v, d := watch(t, b, "site")
	k := page("r", "import", "poll")
	if err := b.PutUntil(k, at(1, "x"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(k, at(2, "x")); err != nil {
		t.Fatal(err)
	}
	if entries, _ := v.List(presence.Filter{}, 0, 1); len(entries) != 1 || entries[0].ExpiresGMT != "" {
		t.Errorf("%+v, want no expires_gmt", entries)
	}
	eventually(t, "the end of the TTL", func() bool { return d.last() == "left import" })
}

// TestEndDuringWrite checks that an entry ends in time although it is being written when the wheel
// reaches the slot of its end.
func TestEndDuringWrite(t *testing.T) {
	b := manualBroker()
	k := page("r", "import", "poll")
	if err := b.PutUntil(k, at(1, "x"), time.Now().Add(time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	msg := nextWrite(t, b)
	b.renewSlot()
	b.completed(msg.Reply, 1, nil)
	b.renewSlot()
	if b.holds(k) != nil {
		t.Error("the entry has not ended")
	}
}
