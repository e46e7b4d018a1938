package broker

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

func benchStored() (presence.Key, presence.Stored) {
	k := presence.Key{Site: "bench", Room: "postType/post:42", ClientID: "editor-7", Conn: "page-00000001"}
	return k, presence.Stored{Entry: presence.Entry{
		Room: k.Room, ClientID: k.ClientID, UserID: 7, DisplayName: "Editor 7",
		AvatarURL: "https://secure.gravatar.com/avatar/0123456789abcdef0123456789abcdef?s=64&d=mm&r=g",
		Data:      []byte(`{"action":"editing","screen":"post"}`), DateGMT: "2026-11-23 05:20:00",
	}}
}

// BenchmarkRenewal renews keys, 200 at a time as a node does that holds 20,000, while a
// view watches them. µs-cpu/op is the processor time of the process, with the embedded
// NATS.
func BenchmarkRenewal(b *testing.B) {
	broker, err := Open(b.Context(), Config{TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	if _, err := broker.Watch("bench", func(presence.Change) {}); err != nil {
		b.Fatal(err)
	}
	const held = 2000
	k, s := benchStored()
	for i := range held {
		k.Conn = fmt.Sprint("page-", i)
		broker.Hold(k, s)
	}
	waitIdle(broker)
	began := cpuTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 200 {
		broker.mu.Lock()
		left := min(200, b.N-n)
		for _, it := range broker.items {
			if left == 0 {
				break
			}
			it.repeat()
			broker.enqueue(it)
			left--
		}
		broker.mu.Unlock()
		waitIdle(broker)
	}
	b.ReportMetric((cpuTime(b)-began).Seconds()*1e6/float64(b.N), "µs-cpu/op")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPublish publishes messages from one goroutine.
func BenchmarkPublish(b *testing.B) {
	broker, err := Open(b.Context(), Config{TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	data := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := broker.Publish(b.Context(), topic.Pushes, "bench", data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeld measures the memory of a key that is held and shown in a view, without
// NATS.
func BenchmarkHeld(b *testing.B) {
	const held = 100_000
	for b.Loop() {
		broker := newBroker(Config{TTL: time.Minute, Node: "node"})
		v, _ := manualView(broker)
		v.onChange = func(presence.Change) {}
		before := liveHeap()
		for i := range held {
			k, s := benchStored()
			k.Site, k.ClientID, k.Conn = "site", fmt.Sprint("editor-", i), fmt.Sprintf("page-%08d", i)
			s.DisplayName, s.DateGMT = fmt.Sprint("Editor ", i), fmt.Sprint("2026-11-23 05:20:", i%60)
			broker.Hold(k, s)
			for e := broker.queue.Front(); e != nil; e = broker.queue.Front() { // empties the queue without a write
				broker.queue.Remove(e).(*item).queued = nil
			}
		}
		b.ReportMetric(float64(liveHeap()-before)/held, "B/key")
		runtime.KeepAlive(broker)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkOpenSites has a node that opens views of 5,000 sites, on which other nodes have
// four entries each. B/entry is the memory of an entry before its site is opened.
func BenchmarkOpenSites(b *testing.B) {
	const sites, entries = 5000, 4
	holder, err := Open(b.Context(), Config{Listen: "127.0.0.1:0", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = holder.Close() }()
	k, s := benchStored()
	for i := range sites * entries {
		k.Site, k.ClientID, k.Conn = fmt.Sprint("site-", i%sites), fmt.Sprint("editor-", i), fmt.Sprintf("page-%08d", i)
		if err := holder.Hold(k, s); err != nil {
			b.Fatal(err)
		}
	}
	waitIdle(holder)
	for b.Loop() {
		before := liveHeap()
		start := time.Now()
		node, err := Open(b.Context(), Config{URL: "nats://" + holder.ListenAddr(), TTL: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		<-node.filled
		b.ReportMetric(time.Since(start).Seconds()*1e3, "ms-snapshot")
		b.ReportMetric(float64(liveHeap()-before)/(sites*entries), "B/entry")
		start = time.Now()
		shown := 0
		for i := range sites {
			v, err := node.Watch(fmt.Sprint("site-", i), func(presence.Change) {})
			if err != nil {
				b.Fatal(err)
			}
			v.Room(k.Room, func(_ []presence.Entry, total int) { shown += total })
		}
		b.ReportMetric(time.Since(start).Seconds()*1e3, "ms-open")
		if shown < sites*entries {
			b.Errorf("%d entries are shown, want %d", shown, sites*entries)
		}
		_ = node.Close()
	}
}

// BenchmarkWatch opens views of 5,000 sites on a node that holds 20 entries of each, and closes them.
func BenchmarkWatch(b *testing.B) {
	const sites, entries = 5000, 20
	broker := newBroker(Config{TTL: time.Hour, Node: "node"})
	k, s := benchStored()
	for i := range sites * entries {
		k.Site, k.Conn = fmt.Sprint("site-", i%sites), fmt.Sprintf("page-%08d", i)
		if err := broker.Hold(k, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v, err := broker.Watch(fmt.Sprint("site-", i%sites), func(presence.Change) {})
		if err != nil {
			b.Fatal(err)
		}
		v.Close()
	}
}

// BenchmarkLease asks for the leases of 5,000 sites, which this node has already.
func BenchmarkLease(b *testing.B) {
	broker, err := Open(b.Context(), Config{Listen: "127.0.0.1:0", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	lease := func(i int) {
		if _, err := broker.Lease(b.Context(), fmt.Sprint("site-", i%5000), time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 5000 {
		lease(i)
	}
	for i := 0; b.Loop(); i++ {
		lease(i)
	}
}

// waitIdle waits until all writes are acknowledged.
func waitIdle(b *Broker) {
	for {
		b.mu.Lock()
		left := b.queue.Len() + len(b.inFlight)
		b.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
