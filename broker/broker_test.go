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

	"go.uber.org/goleak"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestMain fails when goroutines are left after the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6") // they wait for TTLs more than they work
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

const (
	testTTL  = 3 * time.Second  // where a test waits for its end
	patience = 60 * time.Second // for what must come, on a machine that is busy
)

// open opens a broker for the length of the test, and waits for its NATS.
func open(t *testing.T, c Config) *Broker {
	t.Helper()
	b := openAway(t, c)
	becomes(t, b, true)
	return b
}

// openAway is open where NATS is away.
func openAway(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.TTL == 0 {
		c.TTL = time.Hour // nothing is renewed while a test counts writes
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

// diary writes down what a view says.
type diary struct {
	mu      sync.Mutex
	changes []presence.Change
}

func (d *diary) add(c presence.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes = append(d.changes, c)
}

func (d *diary) all() []presence.Change {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.changes)
}

// heard counts the changes of a kind, of one client id or (empty) of all.
func (d *diary) heard(kind presence.Kind, id string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.changes {
		if c.Kind == kind && (id == "" || c.Entry.ClientID == id) {
			n++
		}
	}
	return n
}

func (d *diary) last() string {
	lines := strings.Split(d.String(), ", ")
	return lines[len(lines)-1]
}

// String is "joined a, left b", the client ids in the order of the changes.
func (d *diary) String() string {
	var lines []string
	for _, c := range d.all() {
		lines = append(lines, c.Kind.String()+" "+c.Entry.ClientID)
	}
	return strings.Join(lines, ", ")
}

func (d *diary) want(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); d.String() != want; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("changes: %s\n   want: %s", d, want)
		}
	}
}

func watch(t *testing.T, b *Broker, site string) (*View, *diary) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := &diary{}
	v, err := b.Watch(site, d.add)
	if err != nil {
		t.Fatal(err)
	}
	v.Wait(ctx)
	return v, d
}

// eventually polls until ok, or fails with what it sees at the end.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never came: " + what)
		}
	}
}

// wantSet is want for changes that may come in any order.
func (d *diary) wantSet(t *testing.T, want string) {
	t.Helper()
	sorted := func(s string) string {
		lines := strings.Split(s, ", ")
		slices.Sort(lines)
		return strings.Join(lines, ", ")
	}
	eventually(t, "as many changes", func() bool { return len(d.String()) >= len(want) })
	if sorted(d.String()) != sorted(want) {
		t.Fatalf("changes: %s\n   want: %s", d, want)
	}
}

func page(room, client, conn string) presence.Key {
	return presence.Key{Site: "site", Room: room, ClientID: client, Conn: conn}
}

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

// in makes a value that belongs to the key, as the bucket has it.
func in(k presence.Key, s presence.Stored) presence.Stored {
	s.Room, s.ClientID = k.Room, k.ClientID
	return s
}

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

// count is how many people a view shows in a room.
func count(v *View, room string) (total int) {
	v.Room(room, func(_ []presence.Entry, all int) { total = all })
	return total
}
