package broker

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6") // most of the tests' time is waiting for TTLs
	}
	leaktest.Main(m)
}

const (
	testTTL  = 3 * time.Second  // for tests that wait until entries expire
	patience = 60 * time.Second // the longest wait for an expected event, on a busy machine
)

// open opens a broker until the end of the test, and waits until it is ready.
func open(t *testing.T, c Config) *Broker {
	t.Helper()
	b := openOffline(t, c)
	waitReady(t, b, true)
	return b
}

// openOffline is open without the wait, for a test without NATS. Other processes can connect to a
// NATS in this process: otherwise nothing would be written to it.
func openOffline(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.URL == "" && c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	return openAsIs(t, c)
}

// openAsIs is openOffline for a broker whose NATS nobody else can reach, too.
func openAsIs(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.TTL == 0 {
		c.TTL = time.Hour // no renewals, for tests that count writes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	b, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// changeRecorder records the changes that a view or an observer reports.
type changeRecorder struct {
	mu      sync.Mutex
	changes []presence.Change
}

func (d *changeRecorder) add(c presence.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes = append(d.changes, c)
}

func (d *changeRecorder) all() []presence.Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.changes)
}

// count counts the changes of a kind, of one client id, or of all if id is empty.
func (d *changeRecorder) count(kind presence.Kind, id string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.changes {
		if c.Kind == kind && (id == "" || c.Entry.ClientID == id) {
			n++
		}
	}
	return n
}

func (d *changeRecorder) last() string {
	lines := strings.Split(d.String(), ", ")
	return lines[len(lines)-1]
}

// String returns the changes as "joined user-1, left user-2".
func (d *changeRecorder) String() string {
	var lines []string
	for _, c := range d.all() {
		lines = append(lines, c.Kind.String()+" "+c.Entry.ClientID)
	}
	return strings.Join(lines, ", ")
}

// want waits until the changes are those of want.
func (d *changeRecorder) want(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); d.String() != want; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("changes: %s\n   want: %s", d, want)
		}
	}
}

// watch opens a view of a site and waits for its first snapshot.
func watch(t *testing.T, b *Broker, site string) (*View, *changeRecorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := &changeRecorder{}
	v, err := b.Watch(site, d.add)
	if err != nil {
		t.Fatal(err)
	}
	v.Wait(ctx)
	return v, d
}

// eventually polls until ok returns true. what names the condition in the failure.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for: " + what)
		}
	}
}

// wantSet is want for changes that may come in any order.
func (d *changeRecorder) wantSet(t *testing.T, want string) {
	t.Helper()
	sorted := func(s string) string {
		lines := strings.Split(s, ", ")
		slices.Sort(lines)
		return strings.Join(lines, ", ")
	}
	eventually(t, "the number of changes", func() bool { return len(d.String()) >= len(want) })
	if sorted(d.String()) != sorted(want) {
		t.Fatalf("changes: %s\n   want: %s", d, want)
	}
}

func page(room, client, conn string) presence.Key {
	return presence.Key{Site: "site", Room: room, ClientID: client, Conn: conn}
}

// at returns a value with a date that ends in second.
func at(second int, screen string) presence.Stored {
	return presence.Stored{Entry: presence.Entry{
		DisplayName: "Ada",
		Data:        json.RawMessage(fmt.Sprintf(`{"screen": %q}`, screen)),
		DateGMT:     fmt.Sprintf("2026-11-23 05:20:%02d", second),
	}}
}

func focused(s presence.Stored, ms int64) presence.Stored {
	s.FocusedAt = ms
	return s
}

// in returns s with the room and the client id of the key.
func in(k presence.Key, s presence.Stored) presence.Stored {
	s.Room, s.ClientID = k.Room, k.ClientID
	return s
}

// inRoom returns the client ids in a room, sorted.
func inRoom(v *View, room string) string {
	var ids []string
	v.Room(room, func(entries []presence.Entry, _ int) {
		for _, e := range entries {
			ids = append(ids, e.ClientID)
		}
	})
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// count returns the number of entries in a room.
func count(v *View, room string) (total int) {
	v.Room(room, func(_ []presence.Entry, all int) { total = all })
	return total
}
