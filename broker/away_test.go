package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

func becomes(t *testing.T, b *Broker, ready bool) {
	t.Helper()
	eventually(t, "ready or not", func() bool { return (b.Ready() == nil) == ready })
}

func TestNATSGoneAndBack(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	a := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-a"})
	b := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-b"})
	markDown := open(t, Config{URL: s.url(), TTL: testTTL, Node: "node-c"})
	va, da := watch(t, a, "site")
	_, db := watch(t, b, "site")
	a.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	markDown.Hold(page("r", "user-3", "x"), at(1, "x"))
	eventually(t, "three people everywhere", func() bool { return da.heard(presence.Joined, "") == 3 && db.heard(presence.Joined, "") == 3 })
	beforeA, beforeB := da.String(), db.String()

	s.stop()
	if err := markDown.Close(); err != nil {
		t.Error(err)
	}
	becomes(t, a, false)
	becomes(t, b, false)
	t.Log("not ready:", a.Ready())
	a.Hold(page("r", "user-4", "x"), at(1, "x"))
	a.Hold(page("r", "user-5", "x"), at(1, "x"))
	a.Leave(page("r", "user-5", "x"))
	beforeA += ", joined user-4, joined user-5, left user-5"
	if got := inRoom(va, "r"); got != "user-1 user-2 user-3 user-4" {
		t.Errorf("while NATS is away: %q", got)
	}

	s.start()
	becomes(t, a, true)
	becomes(t, b, true)
	back := time.Now()
	da.want(t, beforeA+", left user-3")
	t.Logf("whom nobody held left %v after NATS was back", time.Since(back))
	db.want(t, beforeB+", joined user-4, left user-3")
	fresh := open(t, Config{URL: s.url(), TTL: testTTL})
	v, _ := watch(t, fresh, "site")
	if got := inRoom(v, "r"); got != "user-1 user-2 user-4" {
		t.Errorf("in the new bucket: %q", got)
	}
}

// A page that left while the connection was gone, but not the bucket.
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
	b.markDownLocked(ErrClosed) // the writer rests, as when the connection is gone
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
	eventually(t, "another connection", func() bool { return nc(b) != old && b.Ready() == nil })
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	other.Hold(page("r", "user-3", "x"), at(1, "x"))
	d2.wantSet(t, "joined user-1, joined user-2, joined user-3")
	d.wantSet(t, "joined user-1, joined user-2, joined user-3")
}

// Writes that were on their way when the connection closed.
func TestNothingIsLostWithTheConnection(t *testing.T) {
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
	settled(t, b)
	eventually(t, "all of them", func() bool { return count(v, "r") == 1000 && count(v, "r2") == 500 })
}

// Nobody closes a connection when a stream is deleted: those who write are
// told that nobody is there, those who only watch hear nothing.
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

// A node that neither writes nor watches still keeps the bucket there.
func TestIdleNodeLooksByItself(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url(), TTL: testTTL})
	deleteStream(t, s.url())
	eventually(t, "another bucket", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.epoch == 2 && b.down == nil
	})
	streamState(t, s.url())
}

// NATS stayed, the way to it was cut, and what went on there is over.
func TestCutOff(t *testing.T) {
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
	before, before2 := d.String(), d2.String()

	p.cut()
	becomes(t, b, false)
	other.Leave(page("r", "user-2", "x"))
	b.Leave(page("r", "user-3", "x"))
	eventually(t, "even the marker is gone, and what is not renewed", func() bool {
		return streamState(t, s.url()).NumSubjects == 1
	})
	d.want(t, before+", left user-3")
	p.mend()
	d.want(t, before+", left user-3, left user-2")
	eventually(t, "whom the cut node holds", func() bool { return d2.last() == "joined user-4" })
	if got := d2.String(); !strings.HasPrefix(got, before2) || d2.heard(presence.Joined, "user-4") != 2 || d2.heard(presence.Joined, "user-3") != 1 {
		t.Errorf("elsewhere: %s", got)
	}
}

func TestStartsBeforeNATS(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	b := openAway(t, Config{URL: s.url(), TTL: testTTL})
	if err := b.Ready(); err == nil {
		t.Error("ready without NATS")
	}
	v, d := watch(t, b, "site")
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Put(page("r", "user-2", "poll"), at(1, "x"))
	d.want(t, "joined user-1, joined user-2, left user-2") // by the TTL, without NATS
	if got := inRoom(v, "r"); got != "user-1" {
		t.Errorf("in the room: %q", got)
	}
	s.start()
	becomes(t, b, true)
	other := open(t, Config{URL: s.url(), TTL: testTTL})
	eventually(t, "written", func() bool {
		v, _ := watch(t, other, "site")
		defer v.Close()
		return inRoom(v, "r") == "user-1"
	})
	d.want(t, "joined user-1, joined user-2, left user-2")
}

// What is said once is said again to a new bucket.
func TestPutSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	_, d := watch(t, b, "site")
	b.Put(page("r", "user-1", "poll"), at(1, "x"))
	settled(t, b)
	s.stop()
	becomes(t, b, false)
	s.start()
	becomes(t, b, true)
	settled(t, b)
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

func TestOpenRefusesWhatWaitingWontMend(t *testing.T) {
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
		"a wrong address":       {t.Context(), Config{URL: "nats://127.0.0.1:99999"}},
		"no credentials":        {t.Context(), Config{URL: s.url()}},
		"no credentials file":   {t.Context(), Config{URL: s.url(), Credentials: "/no/such/file.creds"}},
		"a TTL below a second":  {t.Context(), Config{TTL: time.Millisecond}},
		"both inside and out":   {t.Context(), Config{URL: s.url(), Listen: "127.0.0.1:0"}},
		"a context that is off": {cancelled, Config{}},
	} {
		if b, err := Open(c.ctx, c.config); err == nil {
			t.Errorf("%s: opened", name)
			b.Close()
		}
	}
}

func TestCloseTakesNobodyAway(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	wire := tap(t, s.url())
	b := open(t, Config{URL: s.url()})
	b.Hold(page("r", "user-1", "x"), at(1, "x"))
	b.Hold(page("r", "user-2", "x"), at(1, "x"))
	b.Leave(page("r", "user-2", "x")) // what was said last is still written
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Ready() == nil {
		t.Error("ready after Close")
	}
	if _, err := b.Watch("site", nil); err == nil {
		t.Error("a closed broker was watched")
	}
	b.Hold(page("r", "user-3", "x"), at(1, "x"))
	eventually(t, "the end of it", func() bool { return wire.count("user-1") == 1 })
	state := streamState(t, s.url())
	if state.NumSubjects-uint64(wire.count("PURGE")) != 1 || wire.count("user-3") > 0 {
		t.Errorf("after Close: %d keys, %d of them purged", state.NumSubjects, wire.count("PURGE"))
	}
}
