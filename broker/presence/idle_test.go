package presence

import (
	"fmt"
	"testing"
	"time"
)

// TestIsIdle checks that the report of the page decides, and the date if there is none.
func TestIsIdle(t *testing.T) {
	now := time.Date(2026, 11, 23, 5, 20, 40, 0, time.UTC)
	for _, c := range []struct {
		idle Activity
		at   int
		want bool
	}{
		{Unreported, 10, false}, {Unreported, 9, true},
		{Active, 9, false}, {Active, 40, false},
		{Idle, 9, true}, {Idle, 40, true},
	} {
		t.Run(fmt.Sprintf("activity %d, second %d", c.idle, c.at), func(t *testing.T) {
			e := at(c.at, "x").Entry
			if e.Idle = c.idle; e.IsIdle(now) != c.want {
				t.Errorf("IsIdle: %v, want %v", !c.want, c.want)
			}
		})
	}
}

// TestFoldIdle checks that a person with several pages is active if one of them is, and
// that otherwise the shown page decides.
func TestFoldIdle(t *testing.T) {
	reports := func(conn string, a Activity, focus int64) (Key, Stored) {
		k := page("r", "user-1", conn)
		s := in(k, focused(at(1, "x"), focus))
		s.Idle = a
		return k, s
	}
	for _, c := range []struct {
		shown, other, want Activity
	}{
		{Active, Idle, Active}, {Idle, Active, Active}, {Idle, Idle, Idle}, {Idle, Unreported, Idle},
		{Unreported, Idle, Unreported}, {Unreported, Active, Active}, {Active, Unreported, Active},
	} {
		t.Run(fmt.Sprintf("shown %d, other %d", c.shown, c.other), func(t *testing.T) {
			var f Fold
			_, _ = f.Put(reports("a", c.shown, 2))
			_, _ = f.Put(reports("b", c.other, 1))
			if got := f.Room("site", "r")[0].Idle; got != c.want {
				t.Errorf("activity %d, want %d", got, c.want)
			}
		})
	}
	var f Fold
	_, _ = f.Put(reports("a", Idle, 2))
	if got, _ := f.Put(reports("b", Active, 1)); len(got) != 1 || got[0].Kind != Updated || !got[0].IdleOnly || got[0].Entry.Idle != Active {
		t.Errorf("changes when another page becomes active: %+v", got)
	}
	if got, _ := f.Put(reports("b", Active, 1)); len(got) != 0 {
		t.Errorf("changes when it reports the same again: %+v", got)
	}
	b, s := reports("b", Active, 1)
	if got := f.Remove(b); len(got) != 1 || got[0].Entry.Idle != Idle {
		t.Errorf("changes when the active page is closed: %+v", got)
	}
	s.Data = []byte(`{"screen": "y"}`)
	_, _ = f.Put(b, s)
	if got, _ := f.Put(reports("a", Active, 0)); len(got) != 1 || got[0].IdleOnly {
		t.Errorf("changes when another page is shown: %+v", got)
	}
}
