package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// errorLog records what is logged at the level error.
type errorLog struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *errorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *errorLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newErrorLog() (*errorLog, *slog.Logger) {
	l := &errorLog{}
	return l, slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelError}))
}

func TestItemLimit(t *testing.T) {
	t.Parallel()
	errs, log := newErrorLog()
	b := open(t, Config{Logger: log})
	v, _ := watch(t, b, "site")
	b.budgets.Entries.Add("site", 100_000-3)
	for i := range 5 {
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
	}
	b.Hold(page("r", "user-0", "a"), at(2, "y")) // an existing entry may still change
	if got := inRoom(v, "r"); got != "user-0 user-1 user-2" {
		t.Errorf("in the room: %q", got)
	}
	if !strings.Contains(errs.String(), "limit of presence entries") {
		t.Errorf("logged: %s", errs)
	}
	waitWritten(t, b)
	b.Leave(page("r", "user-0", "a"))
	waitWritten(t, b)
	b.Hold(page("r", "user-4", "a"), at(1, "x"))
	if got := inRoom(v, "r"); got != "user-1 user-2 user-4" {
		t.Errorf("after one left: %q", got)
	}
}

// TestLeftEntriesCount checks that what NATS keeps for entries that have left counts for a TTL,
// and then no longer.
func TestLeftEntriesCount(t *testing.T) {
	t.Parallel()
	b := open(t, Config{TTL: time.Second})
	k := page("r", "user-1", "a")
	for range 100 {
		if err := b.Put(k, at(1, "x")); err != nil {
			t.Fatal(err)
		}
		b.Leave(k)
		waitWritten(t, b)
	}
	const all, entries = 128 << 20, 100_000 // that one site can use
	if b.budgets.EntryBytes.Allows("site", all-100*budget.EntryOverhead+1) {
		t.Error("what 100 entries have left does not count")
	}
	eventually(t, "nothing counts", func() bool {
		return b.budgets.EntryBytes.Allows("site", all) && b.budgets.Entries.Allows("site", entries)
	})
}

func TestErrorLogIsRateLimited(t *testing.T) {
	errs, log := newErrorLog()
	b := newBroker(Config{TTL: time.Minute, Logger: log})
	b.budgets.Entries.Add("site", 1<<30)
	for range 1000 {
		b.Hold(page("r", "user-1", "a"), at(1, "x"))
	}
	if n := strings.Count(errs.String(), "\n"); n == 0 || n > 5 {
		t.Errorf("%d lines for 1,000 refusals", n)
	}
}

func TestInvalidValuesAreRefused(t *testing.T) {
	errs, log := newErrorLog()
	b := newBroker(Config{TTL: time.Minute, Logger: log})
	for i, data := range []string{
		`{"a": "` + strings.Repeat("x", presence.MaxValue) + `"}`, `[1]`, `"text"`, `null`, `{"a":`, ` `,
	} {
		s := at(1, "x")
		s.Data = json.RawMessage(data)
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), s)
	}
	if len(b.items) != 0 || errs.String() == "" {
		t.Errorf("%d values were accepted; logged: %s", len(b.items), errs)
	}
	s := at(1, "x")
	s.Data = nil
	b.Hold(page("r", "user-1", "a"), s)
	for _, it := range b.items {
		if string(it.value.Data) != "{}" {
			t.Errorf("empty data became %s, want {}", it.value.Data)
		}
	}
	if len(b.items) != 1 {
		t.Error("an entry without data was refused")
	}
}

// TestLargestEntry checks that the bucket accepts the largest key and value, with all
// headers.
func TestLargestEntry(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	v, _ := watch(t, other, "site")
	k := page(strings.Repeat("ü/", 2000), strings.Repeat("x", 600), "a")
	s := in(k, at(1, "x"))
	empty, _ := json.Marshal(presence.Stored{Entry: s.Entry, Node: b.node, Held: true})
	s.DisplayName += strings.Repeat("x", presence.MaxValue-len(empty)-1)
	b.Hold(k, s)
	eventually(t, "written", func() bool { return count(v, k.Room) == 1 })
	v.Room(k.Room, func(entries []presence.Entry, total int) {
		if total != 1 || entries[0].ClientID != k.ClientID {
			t.Error("the other node does not see the original names of a hashed key")
		}
	})
	b.Leave(k)
	eventually(t, "left", func() bool { return count(v, k.Room) == 0 })
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	v, _ := watch(t, other, "site")
	const people = 5000
	most := 0
	for i := range people {
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
		b.mu.Lock()
		most = max(most, len(b.inFlight)+b.lookingUp)
		b.mu.Unlock()
	}
	eventually(t, "all entries", func() bool {
		total := 0
		v.Room("r", func(_ []presence.Entry, n int) { total = n })
		return total == people
	})
	t.Logf("at most %d in flight", most)
	if most > maxInFlight {
		t.Errorf("%d writes in flight, want at most %d", most, maxInFlight)
	}
}

// TestQueueKeepsNewestValue checks that nothing is sent while maxInFlight writes are in
// flight, and that the queue keeps the newest value of each key only.
func TestQueueKeepsNewestValue(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	b.mu.Lock()
	b.lookingUp += maxInFlight
	b.mu.Unlock()
	for i := range 1000 {
		b.Hold(page("r", "user-1", "a"), at(1, fmt.Sprint("screen-", i)))
		b.Hold(page("r", "user-2", "a"), at(1, "x"))
		b.Leave(page("r", "user-2", "a"))
	}
	b.mu.Lock()
	queued, inFlight := b.queue.Len(), len(b.inFlight)
	b.lookingUp -= maxInFlight
	b.wakeWriter()
	b.mu.Unlock()
	if queued != 1 || inFlight != 0 {
		t.Errorf("%d queued, %d in flight, want 1 and none", queued, inFlight)
	}
	waitWritten(t, b)
	if state := streamState(t, s.url()); state.LastSeq != 1 {
		t.Errorf("%d writes, want 1", state.LastSeq)
	}
	v, _ := watch(t, open(t, Config{URL: s.url()}), "site")
	v.Room("r", func(entries []presence.Entry, _ int) {
		if len(entries) != 1 || !strings.Contains(string(entries[0].Data), "screen-999") {
			t.Errorf("written: %v", entries)
		}
	})
}

// TestRefusalsAreReportedWithoutLocks checks that the lock of the broker is free when it is reported
// that a budget is used up: a report writes a log.
func TestRefusalsAreReportedWithoutLocks(t *testing.T) {
	b := newBroker(Config{TTL: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	reports := 0
	b.budgets.Share(func(site string) string { return site }, 1, func(*budget.Error) {
		reports++
		if !b.mu.TryLock() {
			t.Error("the lock is held")
			return
		}
		b.mu.Unlock()
	})
	k := page("r", "user-1", "a")
	if err := b.Put(k, at(1, "x")); err != nil {
		t.Fatal(err)
	}
	b.budgets.EntryBytes.Add("site", 1<<30)
	larger := at(1, strings.Repeat("x", 100))
	errs := []error{b.Hold(page("r", "user-2", "a"), at(1, "x")), b.Put(k, larger)}
	b.budgets.Entries.Add("site", 1<<30)
	b.budgets.Pushes.Add("site", 1<<30)
	errs = append(errs, b.Put(page("r", "user-3", "a"), at(1, "x")))
	_, err := b.Publish(t.Context(), topic.Pushes, "site", []byte("x"))
	for i, err := range append(errs, err) {
		if over := new(budget.Error); !errors.As(err, &over) {
			t.Errorf("refusal %d: %v", i, err)
		}
	}
	if reports != 4 {
		t.Errorf("%d refusals are reported, want 4", reports)
	}
}
