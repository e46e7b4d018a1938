package presence

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// FuzzParseStored checks that a value of a key which is read from NATS is the same when it is
// written and read again, and that the fold takes it.
func FuzzParseStored(f *testing.F) {
	const head = `{"room":"r","client_id":"user-1","user_id":1,"display_name":"Ada","avatar_url":"","date_gmt":"2026-11-23 05:20:00"`
	for _, rest := range []string{
		`,"data":{"screen":"x"},"focused_at":7,"node":"n","held":true}`, `,"data":{}}`, `,"data":[]}`, `,"data":null}`, `}`, `,"data":{"a":"\u0000"},"idle":true}`,
		`,"data":{"a":1},"data":{"b":2},"idle":5}`, `,"user_id":-1,"data":{}}`, `,"expires_gmt":"x","data":{}}`, `,"room":"admin/online","data":{}}`,
	} {
		f.Add("site.r.user-1.a", []byte(head+rest))
	}
	f.Add("=.=.=.=", []byte(`{"data":{}}`))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		k, s, err := ParseStored(name, value)
		if err != nil {
			return
		}
		var fold Fold
		if changes := fold.PutName(name, k, s); len(changes) != 1 || changes[0].Kind != Joined || changes[0].Entry.Room != k.Room {
			t.Errorf("%q with %q: %v", name, value, changes)
		}
		own, err := Normalize(k, *s, s.Node, nil)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%q with %q cannot be normalized: %v", name, value, err)
		}
		if again, back, err := ParseStored(name, own.JSON()); err != nil || again != k || back.Room != own.Room || !back.SameButDate(&own.Entry) || back.DateGMT != own.DateGMT {
			t.Errorf("%q with %q is written as %q: %v", name, value, own.JSON(), err)
		}
		if changes := fold.RemoveName(name); len(changes) != 1 || changes[0].Kind != Left || len(fold.byKey)+len(fold.sites) != 0 {
			t.Errorf("%q with %q is removed with %v", name, value, changes)
		}
	})
}

// FuzzFold puts and removes keys as the bytes say. The changes that are reported must lead to
// what the rooms list, and that must be what the keys contain.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 0x80, 0xff, 0x40, 0x41, 0x83, 7, 7, 0x87})
	f.Add(slices.Repeat([]byte{0x12, 0x92, 0x34, 0x56}, 20))
	f.Fuzz(func(t *testing.T, steps []byte) {
		var fold Fold
		keys, shown := map[Key]Stored{}, map[string]Entry{}
		for i, step := range steps[:min(len(steps), 200)] {
			k := Key{"site", fmt.Sprint("r", step&1), fmt.Sprint("u", step>>1&1), fmt.Sprint("c", step>>2&3)}
			var changes []Change
			if step&0x80 != 0 {
				delete(keys, k)
				changes = fold.Remove(k)
			} else {
				s := in(k, focused(at(int(step>>4&3), fmt.Sprint(step>>6)), int64(i&3)))
				s.Idle = Activity(step >> 5 % 3)
				keys[k] = s
				changes, _ = fold.Put(k, s)
			}
			for _, c := range changes {
				applyChange(t, shown, c)
			}
			if got, want := allEntries(&fold), expectedEntries(keys); got != want || listed(shown) != want {
				t.Fatalf("after %x\nrooms list      %s\nchanges lead to %s\nkeys contain    %s", steps[:i+1], got, listed(shown), want)
			}
		}
	})
}

// FuzzActivity reads any value of the member idle.
func FuzzActivity(f *testing.F) {
	for _, text := range []string{"true", "false", "null", "0", `"true"`, "", " true"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var a, back Activity
		if a.UnmarshalJSON(text) != nil {
			return
		}
		written, err := json.Marshal(a)
		if err != nil || json.Unmarshal(written, &back) != nil || back != a {
			t.Errorf("%q is read as %d, and written as %q", text, a, written)
		}
	})
}
