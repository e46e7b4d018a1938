package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestRoom checks that the list of a room is sorted, cut at 200 entries and cached.
func TestRoom(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	v, _ := watch(t, b, "site")
	for i := range 250 {
		b.Hold(page("r", fmt.Sprintf("user-%03d", i), "a"), at(i/10, "x"))
	}
	var first []presence.Entry
	v.Room("r", func(entries []presence.Entry, total int) {
		first = entries
		if len(entries) != 200 || total != 250 {
			t.Fatalf("%d entries of %d", len(entries), total)
		}
		inOrder := slices.IsSortedFunc(entries, func(a, b presence.Entry) int {
			return strings.Compare(b.DateGMT+a.ClientID, a.DateGMT+b.ClientID)
		})
		if !inOrder || entries[0].ClientID != "user-240" || entries[199].ClientID != "user-059" {
			t.Errorf("from %s to %s, sorted: %v", entries[0].ClientID, entries[199].ClientID, inOrder)
		}
	})
	waitWritten(t, b) // acks do not change the list
	v.Room("r", func(entries []presence.Entry, _ int) {
		if &entries[0] != &first[0] {
			t.Error("the list was made again without a change")
		}
	})
	b.Leave(page("r", "user-240", "a"))
	v.Room("r", func(entries []presence.Entry, total int) {
		if total != 249 || entries[0].ClientID != "user-241" || first[0].ClientID != "user-240" {
			t.Error("the list does not show a change, or the change modified the old list")
		}
	})
	v.Room("nobody", func(entries []presence.Entry, total int) {
		if len(entries) != 0 || total != 0 {
			t.Errorf("%d entries of %d in an empty room", len(entries), total)
		}
	})
	if _, all := v.List(presence.Filter{}, 0, 0); all != 249 {
		t.Errorf("%d entries in all rooms, want 249", all)
	}
}

// TestSnapshotOfBusySite writes keys while a view takes snapshots, the first one and those
// after reconnections. No present entry may leave.
func TestSnapshotOfBusySite(t *testing.T) {
	t.Parallel()
	const people = 1000
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	written := 0
	write := func() {
		for range people / 2 {
			written += 7
			b.Hold(page("r", fmt.Sprint("user-", written%people), "a"), at(written%60, "x"))
		}
		eventually(t, "the acks of most writes", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.queue.Len() < people/8
		})
	}
	write()
	write()
	waitWritten(t, b)
	write()
	v, d := watch(t, other, "site")
	for range 4 {
		_, replaced := other.current()
		if err := nc(other).ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		for again := true; again; {
			write()
			select {
			case <-replaced:
				again = false
			default:
			}
		}
		write()
	}
	write()
	write()
	waitWritten(t, b)
	b.Hold(page("r", "end", "a"), at(1, "x"))
	eventually(t, "the last entry", func() bool { return d.count(presence.Joined, "end") == 1 })
	if total, left := count(v, "r"), d.count(presence.Left, ""); total != people+1 || left > 0 {
		t.Errorf("%d entries, want %d; %d left", total, people+1, left)
	}
}

// TestRegisterInsideRoom checks that a listener that registers inside Room misses no change
// and receives none twice.
func TestRegisterInsideRoom(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	heard := map[string]int{} // under the view's lock
	registered := false
	v, err := b.Watch("site", func(c presence.Change) {
		if registered {
			heard[c.Entry.ClientID]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const people = 150
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range people {
			b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
		}
	}()
	eventually(t, "the first entries", func() bool { return inRoom(v, "r") != "" })
	v.Room("r", func(entries []presence.Entry, _ int) {
		registered = true
		for _, e := range entries {
			heard[e.ClientID]++
		}
	})
	<-done
	v.Room("r", func([]presence.Entry, int) {
		for id, times := range heard {
			if times != 1 {
				t.Errorf("%s was reported %d times", id, times)
			}
		}
		if len(heard) != people {
			t.Errorf("%d people were reported, want %d", len(heard), people)
		}
	})
}

// TestOneWatchForAllSites checks that a node has one watch, however many views it has: NATS
// limits the consumers of a stream.
func TestOneWatchForAllSites(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	other := open(t, Config{URL: s.url()})
	stream := streamOf(t, s.url())
	watches := func() (n int) {
		for range stream.ListConsumers(t.Context()).Info() {
			n++
		}
		return n
	}
	in := func(site, user string) presence.Key {
		return presence.Key{Site: site, Room: "r", ClientID: user, Conn: "a"}
	}
	b.Hold(in("one.example", "user-1"), at(1, "x"))
	other.Hold(in("one.example", "user-2"), at(1, "x"))
	other.Hold(in("two", "user-9"), at(1, "x"))
	waitWritten(t, b)
	waitWritten(t, other)
	v, d := watch(t, b, "one.example")
	again, d2 := watch(t, b, "one.example")
	d.wantSet(t, "joined user-1, joined user-2")
	d2.wantSet(t, "joined user-1, joined user-2")
	for i := range 100 {
		watch(t, b, fmt.Sprint("site-", i))
	}
	eventually(t, "the watches of two nodes", func() bool { return watches() == 2 })
	v.Close()
	other.Leave(in("one.example", "user-2"))
	eventually(t, "a change", func() bool { return d2.last() == "left user-2" })
	again.Close()
	if d.count(presence.Left, "") > 0 || len(b.views) != 100 {
		t.Errorf("a closed view reports %s; %d views, want 100", d, len(b.views))
	}
	_, late := watch(t, b, "two") // the node has had its snapshot long ago
	if late.String() != "joined user-9" {
		t.Errorf("a new view has %q at once", late)
	}
}

// TestSiteWithoutName checks that a view of the site "" shows that site, not all sites.
func TestSiteWithoutName(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	_, d := watch(t, b, "")
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	waitWritten(t, b)
	b.Hold(presence.Key{Site: "", Room: "r", ClientID: "user-2", Conn: "a"}, at(1, "x"))
	waitWritten(t, b)
	d.want(t, "joined user-2")
}

func TestWatchDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	s.stop()
	waitReady(t, b, false)
	start := time.Now()
	watch(t, b, "site")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Watch and Wait took %v without NATS", took)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	v, err := b.Watch("site", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	v.Wait(ended)
}

// TestCloseEndsWait closes a view while a caller waits for the first snapshot.
func TestCloseEndsWait(t *testing.T) {
	b := manualBroker()
	v, err := b.Watch("site", func(presence.Change) {})
	if err != nil || v.Filled() {
		t.Fatal("the view is filled without a snapshot, or ", err)
	}
	done := make(chan struct{})
	go func() {
		v.Wait(t.Context())
		close(done)
	}()
	v.Close()
	<-done
}

// TestInvalidForeignValues checks that a view ignores invalid values of other NATS clients.
func TestInvalidForeignValues(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	_, d := watch(t, b, "site")
	js, err := jetstream.New(connect(t, "nats://"+b.ListenAddr()))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bucket.Name)
	if err != nil {
		t.Fatal(err)
	}
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	waitWritten(t, b)
	for key, value := range map[string]string{
		"site.r.user-2.a":   "no JSON",
		"site.r.user-3.a":   `{"room":"r","client_id":"user-4","data":{}}`,
		"site.r.user-5.a":   `{"room":"other","client_id":"user-5","data":{}}`,
		"site.r.user-6.a":   `{"room":"r","client_id":"user-6","data":[1]}`,
		"site.r.user-=41.a": `{"room":"r","client_id":"user-A","data":{}}`,
		"site.r":            `{"room":"r","client_id":"user-7","data":{}}`,
		"site.r.user-1.a":   `{}`,
	} {
		if _, err := kv.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kv.Put(t.Context(), "site.r.user-8.a", []byte(`{"room":"r","client_id":"user-8","data":{}}`)); err != nil {
		t.Fatal(err)
	}
	d.want(t, "joined user-1, joined user-8")
}
