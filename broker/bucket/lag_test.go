package bucket

import (
	"testing"
	"time"
)

func TestLag(t *testing.T) {
	const most = 10 * time.Second
	var l Lag
	now := time.Minute
	check := func(when string, last uint64, want bool) {
		t.Helper()
		if now += time.Second; l.Exceeds(most, last, now) != want {
			t.Errorf("%s: lags: %v", when, !want)
		}
	}
	l.Begin(7)
	check("nothing was stored since the beginning", 7, false)
	now += time.Hour
	check("nothing was stored for an hour", 7, false)
	check("just stored", 9, false)
	l.Brought(8)
	now += most - 2*time.Second
	check("stored a while ago", 20, false)
	l.Brought(9)
	now += time.Second
	check("the watch has brought it", 20, false)
	now += most - 2*time.Second
	check("the next one was stored a while ago", 30, false)
	now += 2 * time.Second
	check("the next one was stored long ago", 30, true)
	l.Begin(30)
	check("another watch has begun", 30, false)
	now += time.Hour
	check("nothing was stored for another hour", 30, false)
}
