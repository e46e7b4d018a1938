package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

func waitReady(t *testing.T, b *Broker, ready bool) {
	t.Helper()
	eventually(t, fmt.Sprint("the broker is ready: ", ready), func() bool { return (b.Ready() == nil) == ready })
}

func TestNATSRestart(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	a := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-a"})
	b := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-b"})
	closed := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-c"})
	va, da := watch(t, a, "site")
	_, db := watch(t, b, "site")
	a.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	closed.Hold(page("r", "user-3", "x"), at(1, "x"))
	eventually(t, "three people on both nodes", func() bool { return da.count(presence.Joined, "") == 3 && db.count(presence.Joined, "") == 3 })
	beforeA, beforeB := da.String(), db.String()

	s.stop()
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
	waitReady(t, a, false)
	waitReady(t, b, false)
	t.Log("not ready:", a.Ready())
	a.Hold(page("r", "user-4", "x"), at(1, "x"))
	a.Hold(page("r", "user-5", "x"), at(1, "x"))
	a.Leave(page("r", "user-5", "x"))
	beforeA += ", joined user-4, joined user-5, left user-5"
	if got := inRoom(va, "r"); got != "user-1 user-2 user-3 user-4" {
		t.Errorf("in the room without NATS: %q", got)
	}

	s.start()
	waitReady(t, a, true)
	waitReady(t, b, true)
	back := time.Now()
	da.want(t, beforeA+", left user-3")
	t.Logf("user-3 left %v after the restart", time.Since(back))
	db.want(t, beforeB+", joined user-4, left user-3")
	fresh := open(t, Config{URL: s.url(), TTL: testTTL})
	v, _ := watch(t, fresh, "site")
	if got := inRoom(v, "r"); got != "user-1 user-2 user-4" {
		t.Errorf("in the new bucket: %q", got)
	}
}

// TestLeaveWhileDisconnected loses the connection, but not the bucket.
func TestLeaveWhileDisconnected(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	other := open(t, Config{URL: s.url()})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	d2.want(t, "joined user-1, joined user-2")

	b.mu.Lock()
	b.markDownLocked(health.Binding, ErrClosed, 0) // stops the writer, as a lost connection does
	b.mu.Unlock()
	b.Leave(page("r", "user-1", "x"))
	other.Hold(page("r", "user-3", "x"), at(1, "x"))
	if err := nc(b).ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	d2.want(t, "joined user-1, joined user-2, joined user-3, left user-1")
	d.wantSet(t, "joined user-1, joined user-2, left user-1, joined user-3")
}

func TestClosedConnectionIsRebuilt(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	other := open(t, Config{URL: s.url()})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	d2.want(t, "joined user-1")

	old := nc(b)
	old.Close()
	eventually(t, "a new connection", func() bool { return nc(b) != old && b.Ready() == nil })
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	other.Hold(page("r", "user-3", "x"), at(1, "x"))
	d2.wantSet(t, "joined user-1, joined user-2, joined user-3")
	d.wantSet(t, "joined user-1, joined user-2, joined user-3")
}

// TestWritesSurviveClosedConnections closes the connection while writes are in flight.
func TestWritesSurviveClosedConnections(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	other := open(t, Config{URL: s.url()})
	v, _ := watch(t, other, "site")
	const people = 1000
	one := func(i int) presence.Key { return page("r", fmt.Sprint("user-", i), "a") }
	two := func(i int) presence.Key { return page("r2", fmt.Sprint("user-", i), "a") }
	for i := range people {
		b.Hold(one(i), at(1, "x"))
		b.Hold(two(i), at(1, "x"))
		if i%400 == 200 {
			nc(b).Close()
		}
	}
	for i := range people / 2 {
		b.Leave(two(i))
	}
	waitWritten(t, b)
	eventually(t, "all entries", func() bool { return count(v, "r") == 1000 && count(v, "r2") == 500 })
}

// TestDeletedStream deletes the bucket's stream. NATS keeps the connections open: a write
// fails with "no responders", and a watch receives nothing.
func TestDeletedStream(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url(), TTL: 9 * time.Second})
	idle := open(t, Config{URL: s.url(), TTL: 9 * time.Second})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, idle, "site")
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	d2.want(t, "joined user-1")
	deleteStream(t, s.url())
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	d2.want(t, "joined user-1, joined user-2")
	d.want(t, "joined user-1, joined user-2")
	if state := streamState(t, s.url()); state.NumSubjects != 2 {
		t.Errorf("%d keys in the new bucket, want 2", state.NumSubjects)
	}
}

// TestIdleNodeRecreatesBucket checks that a node that neither writes nor watches creates a
// deleted bucket again.
func TestIdleNodeRecreatesBucket(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url(), TTL: testTTL})
	deleteStream(t, s.url())
	eventually(t, "a new bucket", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.epoch == 2 && b.down == nil
	})
	streamState(t, s.url())
}

// TestDisconnectedNode cuts one node's connection to NATS until the entries that left
// meanwhile have expired, with their delete markers. The node shows only its own pages then,
// and those of the other node again when it is connected.
func TestDisconnectedNode(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	p := startProxy(t, s)
	b := open(t, Config{URL: p.url(), TTL: testTTL})
	other := open(t, Config{URL: s.url(), TTL: testTTL})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	other.Hold(page("r", "user-1", "x"), at(1, "x"))
	other.Hold(page("r", "user-2", "x"), at(1, "x"))
	b.Hold(page("r", "user-3", "x"), at(1, "x"))
	b.Hold(page("r", "user-4", "x"), at(1, "x"))
	d.wantSet(t, "joined user-1, joined user-2, joined user-3, joined user-4")
	d2.wantSet(t, "joined user-1, joined user-2, joined user-3, joined user-4")
	before2 := d2.String()

	p.cut()
	waitReady(t, b, false)
	other.Leave(page("r", "user-2", "x"))
	b.Leave(page("r", "user-3", "x"))
	eventually(t, "the delete marker and the entries of the disconnected node expired", func() bool {
		return streamState(t, s.url()).NumSubjects == 1
	})
	eventually(t, "the end of the entries of the other node", func() bool {
		return d.count(presence.Left, "user-1") == 1 && d.count(presence.Left, "user-2") == 1
	})
	p.restore()
	eventually(t, "the entry of the other node", func() bool { return d.last() == "joined user-1" })
	if d.count(presence.Joined, "user-2") != 1 || d.count(presence.Left, "user-3") != 1 || d.count(presence.Left, "user-4") != 0 {
		t.Errorf("changes on the disconnected node: %s", d)
	}
	eventually(t, "the entry that the disconnected node holds", func() bool { return d2.last() == "joined user-4" })
	if got := d2.String(); !strings.HasPrefix(got, before2) || d2.count(presence.Joined, "user-4") != 2 || d2.count(presence.Joined, "user-3") != 1 {
		t.Errorf("changes on the other node: %s", got)
	}
}

func TestOpenBeforeNATS(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	b := openOffline(t, Config{URL: s.url(), TTL: testTTL})
	if err := b.Ready(); err == nil {
		t.Error("ready without NATS")
	}
	v, d := watch(t, b, "site")
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Put(page("r", "user-2", "poll"), at(1, "x"))
	d.want(t, "joined user-1, joined user-2, left user-2") // user-2 expires without NATS
	if got := inRoom(v, "r"); got != "user-1" {
		t.Errorf("in the room: %q", got)
	}
	s.start()
	waitReady(t, b, true)
	other := open(t, Config{URL: s.url(), TTL: testTTL})
	eventually(t, "written", func() bool {
		v, _ := watch(t, other, "site")
		defer v.Close()
		return inRoom(v, "r") == "user-1"
	})
	d.want(t, "joined user-1, joined user-2, left user-2")
}

// TestPutSurvivesRestart checks that an entry that is not renewed is written to the new
// bucket after a restart of NATS.
func TestPutSurvivesRestart(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	_, d := watch(t, b, "site")
	b.Put(page("r", "user-1", "poll"), at(1, "x"))
	waitWritten(t, b)
	s.stop()
	waitReady(t, b, false)
	s.start()
	waitReady(t, b, true)
	waitWritten(t, b)
	_, d2 := watch(t, open(t, Config{URL: s.url()}), "site")
	d2.want(t, "joined user-1")
	d.want(t, "joined user-1")
}

func TestBucketWithAnotherTTL(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	open(t, Config{URL: s.url(), TTL: 2 * time.Second})
	_, err := Open(t.Context(), Config{URL: s.url(), TTL: 3 * time.Second})
	for _, part := range []string{"2s", "3s", "--presence-ttl=2s", "nats kv del presence"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing from: %v", part, err)
		}
	}
}

func TestOpenPermanentErrors(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	s.opts.Authorization = "secret"
	s.start()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		config Config
	}{
		"invalid address":          {t.Context(), Config{URL: "nats://127.0.0.1:99999"}},
		"no credentials":           {t.Context(), Config{URL: s.url()}},
		"missing credentials file": {t.Context(), Config{URL: s.url(), NATS: external.NATS{Access: external.Access{Credentials: "/no/such/file.creds"}}}},
		"TTL below a second":       {t.Context(), Config{TTL: time.Millisecond}},
		"URL and Listen":           {t.Context(), Config{URL: s.url(), Listen: "127.0.0.1:0"}},
		"cancelled context":        {cancelled, Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := Open(c.ctx, c.config); err == nil {
				t.Error("opened")
				b.Close()
			}
		})
	}
}

func TestCloseKeepsEntries(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	published := recordMessages(t, s.url())
	b := open(t, Config{URL: s.url()})
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	b.Leave(page("r", "user-2", "x")) // Close still writes it
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Ready() == nil {
		t.Error("ready after Close")
	}
	if _, err := b.Watch("site", nil); err == nil {
		t.Error("Watch of a closed broker returned no error")
	}
	b.Hold(page("r", "user-3", "x"), at(1, "x"))
	eventually(t, "the write of user-1", func() bool { return published.count("user-1") == 1 })
	state := streamState(t, s.url())
	if state.NumSubjects-uint64(published.count("PURGE")) != 1 || published.count("user-3") > 0 {
		t.Errorf("after Close: %d keys, %d of them purged", state.NumSubjects, published.count("PURGE"))
	}
}

// TestBlockedConnection lets the way to a server of a cluster take no more data, as a network that
// is cut off without a word: the node goes to another server.
func TestBlockedConnection(t *testing.T) {
	t.Parallel()
	servers, _ := startSplitCluster(t)
	way := startProxy(t, servers[1])
	b := open(t, Config{URL: way.url() + "," + servers[2].url(), TTL: time.Minute})
	other := open(t, Config{URL: servers[2].url(), TTL: time.Minute})
	_, d := watch(t, other, "site")
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	d.wantSet(t, "joined user-1")
	eventually(t, "a connection through the proxy", func() bool {
		isProxied := nc(b).ConnectedUrl() == way.url()
		if !isProxied && nc(b).IsConnected() {
			_ = nc(b).ForceReconnect() // to the next one
		}
		return isProxied
	})
	waitReady(t, b, true)
	way.stall()
	large := strings.Repeat("x", 9<<10)
	for i := range 1500 {
		if err := b.Hold(page("r", fmt.Sprint("user-", i+2), "a"), at(1, large)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all entries over the other server", func() bool { return d.count(presence.Joined, "user-1501") == 1 })
	if url := nc(b).ConnectedUrl(); url == way.url() {
		t.Error("still connected over the blocked way")
	}
}

// TestLaggingWatch has a watch that brings nothing any more, although NATS sends its heartbeats. The node
// notices what it has written itself, and begins another watch. Nobody is shown as having left.
func TestLaggingWatch(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url(), TTL: 3 * testTTL})
	other := open(t, Config{URL: s.url(), TTL: 3 * testTTL})
	_, d := watch(t, b, "site")
	watch(t, other, "site") // its watch has begun
	other.Hold(page("r", "user-1", "x"), at(1, "x"))
	d.wantSet(t, "joined user-1")
	l, _ := b.current()
	paused := 0
	for name := range l.stream.ConsumerNames(t.Context()).Name() {
		if _, err := l.stream.PauseConsumer(t.Context(), name, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		paused++
	}
	if paused != 2 {
		t.Fatalf("%d watches are paused, want those of both nodes", paused)
	}
	other.Hold(page("r", "user-2", "x"), at(1, "x"))
	waitWritten(t, other)
	b.Hold(page("r", "user-3", "x"), at(1, "x"))
	eventually(t, "what the next watch brings", func() bool { return d.count(presence.Joined, "user-2") == 1 })
	for _, client := range []string{"user-1", "user-3"} {
		if d.count(presence.Left, client) > 0 {
			t.Errorf("changes: %s", d)
		}
	}
}
