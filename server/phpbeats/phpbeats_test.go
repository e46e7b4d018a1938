package phpbeats

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// TestPHPBeatsOfAnHour checks that beats are forgotten after an hour, and that the callbacks
// are bounded.
func TestPHPBeatsOfAnHour(t *testing.T) {
	start := time.Unix(1_900_000_000, 0)
	var p Counter
	for minute := range 90 {
		p.Add(map[string]int{"a": 2}, 0, start.Add(time.Duration(minute)*time.Minute))
	}
	last := start.Add(89 * time.Minute)
	if got := p.Sum(last); !maps.Equal(got, map[string]int{"a": 120}) || len(p.minutes) != 60 {
		t.Errorf("%v in %d minutes, want 120 in 60", got, len(p.minutes))
	}
	if got := p.Sum(last.Add(Span)); len(got) != 0 || len(p.minutes) != 0 {
		t.Errorf("an hour later: %v", got)
	}
	many := make(map[string]int)
	for i := range 2 * maxCallbacks {
		many[fmt.Sprint(i)] = 1
	}
	p.Add(many, 0, last)
	if got := p.Sum(last); len(got) != maxCallbacks {
		t.Errorf("%d callbacks, want %d", len(got), maxCallbacks)
	}
}

// TestKept checks that counters are kept while they count something, and their bound.
func TestKept(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	kept := make(Kept)
	c := kept.Take("a")
	kept.Keep("a", c, now)
	if len(kept) != 0 {
		t.Error("a counter without beats is kept")
	}
	c.Add(nil, 3, now)
	kept.Keep("a", c, now)
	if kept.Take("a") != c || len(kept) != 0 {
		t.Error("the counter is not given back")
	}
	kept.Keep("a", c, now)
	for i := range 2 * maxKept {
		c := new(Counter)
		c.Add(map[string]int{"a": 1}, 0, now)
		kept.Keep(fmt.Sprint(i), c, now)
	}
	if len(kept) != maxKept || kept["a"] == nil {
		t.Errorf("%d counters are kept", len(kept))
	}
	later := now.Add(2 * Span)
	b := new(Counter)
	b.Add(nil, 1, later)
	kept.MakeRoom(later)
	if kept.Keep("b", b, later); len(kept) != 2 {
		t.Errorf("%d counters are kept, want those with beats", len(kept))
	}
}

// TestNativeBeatsOfDays checks that native beats are counted by day, and forgotten after 14 days.
func TestNativeBeatsOfDays(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var p Counter
	p.CountNative()
	p.CountNative()
	if first, second := p.TakeNative(), p.TakeNative(); first != 2 || second != 0 {
		t.Errorf("%d, then %d, want 2, then 0", first, second)
	}
	for day := range 20 {
		p.Add(nil, 3, noon.AddDate(0, 0, day-19))
	}
	p.Add(nil, 4, noon.Add(13*time.Hour)) // the next day
	p.Add(nil, 1, noon)                   // a message that has waited
	got := p.Native(noon.Add(13 * time.Hour))
	if len(got) != maxDays || got["2026-12-01"] != 4 || got["2026-11-30"] != 4 || got["2026-11-18"] != 3 {
		t.Errorf("%v", got)
	}
	if got := p.Native(noon.AddDate(0, 0, maxDays+1)); len(got) != 0 || len(p.days) != 0 {
		t.Errorf("two weeks later: %v", got)
	}
}
