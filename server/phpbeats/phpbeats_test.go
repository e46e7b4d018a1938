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
		p.Add(map[string]int{"a": 2}, start.Add(time.Duration(minute)*time.Minute))
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
	p.Add(many, last)
	if got := p.Sum(last); len(got) != maxCallbacks {
		t.Errorf("%d callbacks, want %d", len(got), maxCallbacks)
	}
}
