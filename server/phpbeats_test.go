package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

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

// TestBeatsOfIdleMember checks that the beats of a site of a network still count when the node has not served
// it for a while.
func TestBeatsOfIdleMember(t *testing.T) {
	n := newNode(t, func(c *Config) { c.publishEvery = 5 * time.Millisecond })
	n.sites.get("demo-2").phpBeats.CountNative()
	native := func() map[string]int { return n.sites.get("demo-2").phpBeats.Native(time.Now()) }
	until(t, "the native beat", func() bool { return len(native()) == 1 })
	n.sites.members["demo-2"].lastUsed.Store(0)
	if n.sites.forgetIdle(n.sessions.sites()); len(n.sites.members) != 0 {
		t.Fatal("the site is not forgotten")
	}
	if got := native(); len(got) != 1 {
		t.Errorf("after it was forgotten: %v", got)
	}
}

// TestNativeBeats checks that the status has the beats that nodes answered, over a link and by POST, and
// none of those that they left to PHP.
func TestNativeBeats(t *testing.T) {
	n := newNode(t, func(c *Config) { c.publishEvery = 5 * time.Millisecond })
	p := n.page(t, 2)
	s := p.socket(t)
	for id := range uint64(3) {
		if f := s.beat(id+1, p.form()); f.Type != "tick" {
			t.Fatalf("%+v", f)
		}
	}
	if f := s.beat(4, p.form("data[unknown]", "1")); f.Type != "decline" {
		t.Fatalf("%+v", f)
	}
	if r := p.post(t, p.form()); r.StatusCode != 200 {
		t.Fatalf("a posted beat: %d", r.StatusCode)
	}
	if r := p.post(t, p.form("data[unknown]", "1")); r.StatusCode != 409 {
		t.Fatalf("a posted beat for PHP: %d", r.StatusCode)
	}
	until(t, "four native beats", func() bool {
		_, status := n.call(t, "/status", "")
		sum := 0.0
		for _, beats := range status["native_beats"].(map[string]any) {
			sum += beats.(float64)
		}
		return sum == 4
	})
}
