package bucket

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

var some = &presence.Stored{}

func TestRevisions(t *testing.T) {
	const name = "site.r.user-1.a"
	put := func(rev uint64) Write { return Write{Name: name, Conn: "a", Stored: some, Rev: rev} }
	deleted := func(rev uint64) Write { return Write{Name: name, Rev: rev} }
	var m Revisions
	wantStored := func(want bool, when string) {
		t.Helper()
		if _, stored, _ := m.Get(name); (stored != nil) != want {
			t.Errorf("%s: the key has a value: %v", when, !want)
		}
	}
	m.Begin(1, 0)
	m.Learn(put(5), 0)
	wantStored(true, "after the ack")
	m.Update(deleted(4), 0)
	wantStored(true, "after an update older than the ack")
	m.Learn(deleted(6), 0)
	wantStored(false, "after the ack of a purge")
	m.Update(put(5), 0)
	wantStored(false, "after an update older than the purge")
	m.Update(deleted(6), 0)
	if len(m.sites) != 0 {
		t.Error("the deleted key is kept after the watch has brought the deletion")
	}

	m.Learn(put(700), 0)
	m.Begin(2, 0)
	wantStored(true, "of an earlier bucket")
	m.Update(put(1), 0)
	m.Update(deleted(2), 0)
	wantStored(false, "after the deletion in the new bucket")
}

func TestValuesAreParsedWhenTheyAreNeeded(t *testing.T) {
	const name, value = "site.r.user-1.a", `{"room":"r","client_id":"user-1","data":{},"date_gmt":"","focused_at":0,"node":"n"}`
	var m Revisions
	m.Update(Write{Name: name, Value: []byte(value), Rev: 1}, 0)
	if _, stored := m.Same(name, []byte(value)); stored != nil {
		t.Error("the value is parsed already")
	}
	key, stored, err := m.Get(name)
	if err != nil || key.Site != "site" || key.Conn != "a" || stored == nil || stored.ClientID != "user-1" {
		t.Fatalf("%v %v %v", key, stored, err)
	}
	if conn, same := m.Same(name, []byte(value)); same != stored || conn != "a" {
		t.Error("the same value is not recognized")
	}
	if _, same := m.Same(name, []byte(value+" ")); same != nil {
		t.Error("another value counts as the same")
	}
	m.Update(Write{Name: name, Value: []byte("no JSON"), Rev: 2}, 0)
	if _, stored, err := m.Get(name); stored != nil || err == nil {
		t.Errorf("an invalid value: %v, %v", stored, err)
	}
}

// sweep calls Expire every second from one time to another, and returns what it removed.
func sweep(m *Revisions, from, to time.Duration) (gone []string) {
	for now := from; now <= to; now += SweepInterval {
		for more := true; more; {
			var names []string
			names, more = m.Expire(time.Minute, now)
			gone = append(gone, names...)
		}
	}
	return gone
}

func TestExpire(t *testing.T) {
	var m Revisions
	put := func(i int, rev uint64, now time.Duration) {
		m.Update(Write{Name: fmt.Sprintf("site-%d.r.user.a", i), Conn: "a", Stored: some, Rev: rev}, now)
	}
	for i := range 1000 {
		put(i, uint64(i+1), 0)
	}
	put(7, 2000, 20*time.Second)
	put(8, 9, 20*time.Second) // the revision that is known
	if gone := sweep(&m, 0, Lifetime(time.Minute)); len(gone) > 0 {
		t.Errorf("removed before their lifetime has passed: %v", gone)
	}
	gone := sweep(&m, Lifetime(time.Minute), Lifetime(time.Minute)+time.Second)
	if len(gone) != 999 || slices.Contains(gone, "site-7.r.user.a") {
		t.Errorf("%d keys removed, want all but the one that was written again", len(gone))
	}
	if gone := sweep(&m, Lifetime(time.Minute)+time.Second, 2*Lifetime(time.Minute)); len(gone) != 1 || len(m.sites) > 0 || len(m.byAge) > 0 {
		t.Errorf("removed at last: %v", gone)
	}
}

// TestExpireByAge checks that an entry's lifetime begins when NATS has stored it: a watch that begins
// at a server that was away for a while brings entries of people who have left meanwhile.
func TestExpireByAge(t *testing.T) {
	var m Revisions
	write := func(name string, rev uint64, now, age time.Duration) {
		m.Update(Write{Name: name, Conn: "a", Stored: some, Rev: rev, Age: age}, now)
	}
	const start = 10 * time.Minute
	sweep(&m, start-catchUp-time.Second, start)
	write("site.r.present.a", 4, start, 0)
	write("site.r.old.a", 1, start, time.Minute)
	write("site.r.older.a", 2, start, time.Hour)
	write("site.r.renewed.a", 3, start, time.Minute)
	if gone := sweep(&m, start, start+time.Second); !slices.Equal(gone, []string{"site.r.older.a"}) {
		t.Errorf("removed at once: %v, want the oldest", gone)
	}
	write("site.r.renewed.a", 5, start+9*time.Second, 0)
	if gone := sweep(&m, start+time.Second, start+15*time.Second); !slices.Equal(gone, []string{"site.r.old.a"}) {
		t.Errorf("removed when it was not written for a lifetime: %v, want the old one", gone)
	}
	if gone := sweep(&m, start+15*time.Second, start+2*time.Minute); len(gone) != 2 || len(m.byAge) > 0 {
		t.Errorf("removed at last: %v", gone)
	}
}

// TestExpireAfterAStall checks that a process that was stopped for longer than the lifetime
// waits for the writes that were made meanwhile.
func TestExpireAfterAStall(t *testing.T) {
	var m Revisions
	write := func(name string, rev uint64, now time.Duration) {
		m.Update(Write{Name: name, Conn: "a", Stored: some, Rev: rev}, now)
	}
	write("site.r.present.a", 1, 0)
	write("site.r.left.a", 2, 0)
	sweep(&m, 0, 10*time.Second)
	const back = 5 * time.Minute
	if gone := sweep(&m, back, back+time.Second); len(gone) > 0 {
		t.Errorf("removed right after the stall: %v", gone)
	}
	write("site.r.present.a", 3, back+time.Second)
	if gone := sweep(&m, back+time.Second, back+catchUp); !slices.Equal(gone, []string{"site.r.left.a"}) {
		t.Errorf("removed: %v, want the entry that was not written again", gone)
	}
}

// TestExpireBetweenTwoWatches has a watch that ends and another one that begins late: nothing leaves before it has brought what was written
// meanwhile. Watches that never bring anything, or that begin again soon, delay the end of entries once.
func TestExpireBetweenTwoWatches(t *testing.T) {
	var m Revisions
	write := func(name string, rev uint64, now time.Duration) {
		m.Update(Write{Name: name, Conn: "a", Stored: some, Rev: rev}, now)
	}
	write("site.r.present.a", 1, 0)
	write("site.r.left.a", 2, 0)
	again := Lifetime(time.Minute) - time.Second
	sweep(&m, 0, again)
	m.Begin(0, again)
	if gone := sweep(&m, again, again+catchUp-time.Second); len(gone) > 0 {
		t.Errorf("removed before the watch has begun: %v", gone)
	}
	write("site.r.present.a", 3, again+catchUp-time.Second)
	m.Begin(0, again+catchUp-time.Second)
	m.Begin(0, again+catchUp)
	if gone := sweep(&m, again+catchUp, again+catchUp+2*SweepInterval); !slices.Equal(gone, []string{"site.r.left.a"}) {
		t.Errorf("removed: %v, want the entry that was not written again", gone)
	}
}
