package presence

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func page(room, client, conn string) Key { return Key{"site", room, client, conn} }

// at returns a value with a date that ends in second.
func at(second int, screen string) Stored {
	return Stored{Entry: Entry{
		DisplayName: "Ada",
		Data:        json.RawMessage(fmt.Sprintf(`{"screen": %q}`, screen)),
		DateGMT:     fmt.Sprintf("2026-11-23 05:20:%02d", second),
	}}
}

func focused(s Stored, ms int64) Stored {
	s.FocusedAt = ms
	return s
}

// in returns s with the room and the client id of the key.
func in(k Key, s Stored) Stored {
	s.Room, s.ClientID = k.Room, k.ClientID
	return s
}

func TestFold(t *testing.T) {
	a, b := page("r", "user-1", "a"), page("r", "user-1", "b")
	elsewhere := page("r2", "user-1", "a")
	type step struct {
		key  Key
		put  *Stored // nil: remove
		want string
	}
	put := func(k Key, s Stored, want string) step { s = in(k, s); return step{k, &s, want} }
	remove := func(k Key, want string) step { return step{k, nil, want} }
	for name, steps := range map[string][]step{
		"one tab": {
			put(a, at(1, "x"), "joined r x 01"), put(a, at(1, "x"), ""), put(a, at(2, "x"), "seen r x 02"),
			put(a, at(3, "y"), "updated r y 03"), remove(a, "left r y 03"), remove(a, ""),
		},
		"closing the tab that is not shown": {
			put(a, at(1, "x"), "joined r x 01"), put(b, at(2, "y"), "updated r y 02"), remove(a, ""), remove(b, "left r y 02"),
		},
		"closing the tab that is shown": {
			put(a, at(1, "x"), "joined r x 01"), put(b, at(2, "y"), "updated r y 02"), remove(b, "updated r x 01"), remove(a, "left r x 01"),
		},
		"two tabs on one screen": {
			put(a, at(1, "x"), "joined r x 01"), put(b, at(1, "x"), ""), remove(b, ""), remove(a, "left r x 01"),
		},
		"focus wins over date": {
			put(a, focused(at(1, "x"), 9), "joined r x 01"), put(b, focused(at(5, "y"), 8), ""),
			put(b, focused(at(5, "y"), 10), "updated r y 05"), put(a, focused(at(6, "x"), 9), ""),
		},
		"same focus and date: the connection id decides": {
			put(b, at(1, "y"), "joined r y 01"), put(a, at(1, "x"), ""), remove(b, "updated r x 01"),
		},
		"two rooms": {
			put(a, at(1, "x"), "joined r x 01"), put(elsewhere, at(1, "x"), "joined r2 x 01"), remove(a, "left r x 01"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f Fold
			for i, s := range steps {
				var changes []Change
				if s.put != nil {
					var err error
					if changes, err = f.Put(s.key, *s.put); err != nil {
						t.Fatal(err)
					}
				} else {
					changes = f.Remove(s.key)
				}
				var got []string
				for _, c := range changes {
					screen := strings.Split(string(c.Entry.Data), `"`)[3]
					got = append(got, fmt.Sprint(c.Kind, " ", c.Entry.Room, " ", screen, " ", c.Entry.DateGMT[17:]))
				}
				if strings.Join(got, ", ") != s.want {
					t.Errorf("step %d: %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

// TestFoldHashCollision puts two client ids with the same key, as if their hashes were equal.
func TestFoldHashCollision(t *testing.T) {
	var f Fold
	k := page("r", "hash", "a")
	first, second := at(1, "x"), at(1, "x")
	first.Room, first.ClientID = "r", "long one"
	second.Room, second.ClientID = "r", "long two"
	f.PutName(k.String(), k, &first)
	changes := f.PutName(k.String(), k, &second)
	if len(changes) != 2 || changes[0].Kind != Left || changes[0].Entry.ClientID != "long one" || changes[1].Kind != Joined {
		t.Errorf("%v", changes)
	}
	if f.Remove(k); len(f.sites) != 0 || len(f.byKey) != 0 {
		t.Error("the fold is not empty after the last key was removed")
	}
}

// TestFoldRefusesValuesOfOtherKeys checks that Put and ParseStored refuse the same values:
// those whose room or client id is not the key's, nor hashed in the key.
func TestFoldRefusesValuesOfOtherKeys(t *testing.T) {
	long := page("r", strings.Repeat("é", 500), "a")
	hashed, err := ParseKey(long.String())
	if err != nil || hashed.ClientID == long.ClientID {
		t.Fatalf("%v, %v", hashed, err)
	}
	for _, c := range []struct {
		name string
		key  Key
		room string
		id   string
		good bool
	}{
		{"its own", page("r", "user-1", "a"), "r", "user-1", true},
		{"another room", page("r", "user-1", "a"), "admin/online", "user-1", false},
		{"another client id", page("r", "user-1", "a"), "r", "user-2", false},
		{"no room", page("r", "user-1", "a"), "", "user-1", false},
		{"the original of a hash", hashed, "r", long.ClientID, true},
		{"another than the original", hashed, "r", "user-1", false},
		{"another room beside a hash", hashed, "admin/online", long.ClientID, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f Fold
			s := at(1, "x")
			s.Room, s.ClientID = c.room, c.id
			changes, err := f.Put(c.key, s)
			value, _ := json.Marshal(s)
			_, _, readErr := ParseStored(c.key.String(), value)
			if (err == nil) != c.good || (readErr == nil) != c.good || (len(changes) == 1) != c.good {
				t.Errorf("Put: %v, %v; ParseStored: %v", changes, err, readErr)
			}
			if c.good && (changes[0].Entry.Room != "r" || len(f.Room("site", "r")) != 1) {
				t.Errorf("the change is %+v", changes[0])
			}
			if !c.good && len(f.byKey)+len(f.sites) != 0 {
				t.Error("the fold has the refused value")
			}
		})
	}
}

// TestFoldRandomly puts and removes keys at random. The reported changes must lead to what
// Room lists, and Room must list what the keys contain.
func TestFoldRandomly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var f Fold
	keys := map[Key]Stored{}
	shown := map[string]Entry{}
	for range 5_000 {
		k := Key{"site", fmt.Sprint("r", r.IntN(2)), fmt.Sprint("u", r.IntN(3)), fmt.Sprint("c", r.IntN(3))}
		var changes []Change
		if r.IntN(3) == 0 {
			delete(keys, k)
			changes = f.Remove(k)
		} else {
			s := in(k, focused(at(r.IntN(3), fmt.Sprint(r.IntN(2))), int64(r.IntN(3))))
			s.Idle = Activity(r.IntN(3))
			keys[k] = s
			changes, _ = f.Put(k, keys[k])
		}
		for _, c := range changes {
			applyChange(t, shown, c)
		}
		if got, want := allEntries(&f), expectedEntries(keys); got != want || listed(shown) != want {
			t.Fatalf("rooms list      %s\nchanges lead to %s\nkeys contain    %s", got, listed(shown), want)
		}
	}
}

// TestFirstOfALargeRoom compares First with the sorted list of all entries.
func TestFirstOfALargeRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var f Fold
	for step := range 12_000 {
		people := 1000
		if step > 8_000 {
			people = 300
		}
		k := page("r", fmt.Sprint("u", r.IntN(people)), fmt.Sprint("c", r.IntN(2)))
		if _, there := f.byKey[k.String()]; there && r.IntN(5) < 2 || step > 10_000 && r.IntN(3) > 0 {
			f.Remove(k)
		} else {
			f.Put(k, in(k, focused(at(r.IntN(60), "x"), int64(r.IntN(3)))))
		}
		if step%100 > 3 {
			continue
		}
		all := f.Room("site", "r")
		if !slices.IsSortedFunc(all, func(a, b Entry) int { return strings.Compare(b.DateGMT, a.DateGMT) }) {
			t.Fatal("Room is not sorted")
		}
		first, total := f.First("site", "r")
		if total != len(all) || !slices.EqualFunc(first, all[:min(len(all), MaxListed)], func(a, b Entry) bool { return a.ClientID == b.ClientID && a.DateGMT == b.DateGMT }) {
			t.Fatalf("step %d: First returns other entries than the first %d of %d", step, len(first), total)
		}
	}
}

// applyChange applies a change to shown, and fails if the change is impossible.
func applyChange(t *testing.T, shown map[string]Entry, c Change) {
	t.Helper()
	id := c.Entry.Room + " " + c.Entry.ClientID
	was, known := shown[id]
	if known == (c.Kind == Joined) {
		t.Errorf("%v %s, but the entry was shown before: %v", c.Kind, id, known)
	}
	if before := was; c.IdleOnly {
		if before.Idle = c.Entry.Idle; c.Kind != Updated || !before.SameButDate(&c.Entry) {
			t.Errorf("IdleOnly, but the change is from %v to %v", was, c.Entry)
		}
	}
	if c.Kind == Seen && (was.DateGMT == c.Entry.DateGMT || !was.SameButDate(&c.Entry)) || c.Kind == Updated && was.SameButDate(&c.Entry) {
		t.Errorf("%v from %v to %v", c.Kind, was, c.Entry)
	}
	if shown[id] = c.Entry; c.Kind == Left {
		delete(shown, id)
	}
}

func listed(shown map[string]Entry) string {
	var lines []string
	for _, e := range shown {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s", e.Room, e.ClientID, e.DateGMT, e.Idle, e.Data))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

func allEntries(f *Fold) string {
	shown := map[string]Entry{}
	for room, in := range f.sites["site"] {
		entries := f.Room("site", room)
		if len(entries) != len(in.members) || len(entries) == 0 {
			return fmt.Sprintf("%d entries, %d members", len(entries), len(in.members))
		}
		for _, e := range entries {
			shown[e.Room+" "+e.ClientID] = e
		}
	}
	return listed(shown)
}

// expectedEntries computes the shown entries from the keys.
func expectedEntries(keys map[Key]Stored) string {
	shown, of := map[string]Entry{}, map[string]Key{}
	for k, s := range keys {
		id := k.Room + " " + k.ClientID
		if was, ok := of[id]; ok {
			old := keys[was]
			if s.before(k.Conn, &old, was.Conn) {
				continue
			}
		}
		shown[id], of[id] = s.Entry, k
	}
	for k, s := range keys {
		if e := shown[k.Room+" "+k.ClientID]; s.Idle == Active {
			e.Idle = Active
			shown[k.Room+" "+k.ClientID] = e
		}
	}
	return listed(shown)
}
