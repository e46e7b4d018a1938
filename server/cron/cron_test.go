package cron

import (
	"testing"
	"time"
)

// TestClaims checks that one beat is claimed when an event is due, and one more every
// 15 s until WordPress names another event.
func TestClaims(t *testing.T) {
	start := time.Unix(1_900_000_000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	due := func(s int) int64 { return at(s).Unix() }
	var c Cron
	claims := func(s int, want bool) {
		t.Helper()
		if got := c.Claim(at(s)); got != want {
			t.Errorf("after %d s: %t, want %t", s, got, want)
		}
	}
	claims(0, false) // no event is known
	c.Tell(due(30), at(1).UnixMilli())
	claims(29, false)
	claims(30, true)
	claims(31, false)
	c.Tell(due(30), at(31).UnixMilli()) // the ticket of the beat that started the run
	claims(44, false)
	claims(45, true)
	c.Tell(due(3600), at(46).UnixMilli())
	c.Tell(due(30), at(40).UnixMilli()) // an older ticket
	claims(3599, false)
	c.Tell(due(95), at(47).UnixMilli())
	claims(95, true)
	c.Tell(due(96), at(95).UnixMilli()) // another event, due at once
	claims(96, true)
	c.Tell(0, at(97).UnixMilli())
	claims(99_999, false)
}
