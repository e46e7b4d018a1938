package server

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestPHPBeatsOfAnHour checks that beats are forgotten after an hour, and that the callbacks
// are bounded.
func TestPHPBeatsOfAnHour(t *testing.T) {
	start := time.Unix(1_900_000_000, 0)
	var p phpBeats
	for minute := range 90 {
		p.add(map[string]int{"a": 2}, start.Add(time.Duration(minute)*time.Minute))
	}
	last := start.Add(89 * time.Minute)
	if got := p.sum(last); !maps.Equal(got, map[string]int{"a": 120}) || len(p.minutes) != 60 {
		t.Errorf("%v in %d minutes, want 120 in 60", got, len(p.minutes))
	}
	if got := p.sum(last.Add(phpBeatsSpan)); len(got) != 0 || len(p.minutes) != 0 {
		t.Errorf("an hour later: %v", got)
	}
	many := make(map[string]int)
	for i := range 2 * maxCallbacks {
		many[fmt.Sprint(i)] = 1
	}
	p.add(many, last)
	if got := p.sum(last); len(got) != maxCallbacks {
		t.Errorf("%d callbacks, want %d", len(got), maxCallbacks)
	}
}

// TestPHPBeatsOfTickets checks that a ticket that names callbacks is counted once, when a page
// sends it over its link.
func TestPHPBeatsOfTickets(t *testing.T) {
	n := newNode(t, func(c *Config) { c.publishEvery = 5 * time.Millisecond })
	because := func(callbacks ...string) func(*ticket.Claims) {
		return func(c *ticket.Claims) { c.Callbacks = callbacks }
	}
	p := n.page(t, 2).withClaims(t, because("of-the-hello"))
	s := p.socket(t)
	renew := func() { s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket)) }
	for _, callbacks := range [][]string{{"a", "b"}, {"a"}, nil} {
		signed := time.Now()
		until(t, "the next millisecond", func() bool { return time.Since(signed) > time.Millisecond })
		p.withClaims(t, because(callbacks...))
		renew()
		renew()
	}
	want := fmt.Sprint(map[string]int{"a": 2, "b": 1})
	until(t, want, func() bool {
		_, status := n.call(t, "/status", "")
		return fmt.Sprint(status["php_beats"]) == want
	})
	if _, status := n.call(t, "/status", ""); status["php_beats_seconds"].(float64) > 60 {
		t.Errorf("counted in %v s, longer than the node runs", status["php_beats_seconds"])
	}
}
