package room

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestNudgesAreSpread lets few beat at once, and many over a second.
func TestNudgesAreSpread(t *testing.T) {
	for pages, want := range map[int]int{0: 0, 1: 0, 20: 0, 21: 10, 70: 500, 120: 1000, 5000: 1000} {
		if got := spread(pages); got != want {
			t.Errorf("%d pages beat over %d ms, want %d", pages, got, want)
		}
	}
}

// TestNotifierPacesNudges nudges the pages that subscribe, each at most once in its pace,
// and no page that unsubscribed.
func TestNotifierPacesNudges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		var fast, slow, gone page
		n.Subscribe(&fast, time.Second)
		n.Subscribe(&slow, 5*time.Second)
		n.Subscribe(&gone, time.Second)
		n.Unsubscribe(&gone)
		for range 100 { // over ten seconds
			n.changed()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second) // the last change
		if fast.sent.Load() != 11 || slow.sent.Load() != 3 || gone.sent.Load() != 0 {
			t.Errorf("the pages got %d, %d and %d nudges, want 11, 3 and 0", fast.sent.Load(), slow.sent.Load(), gone.sent.Load())
		}
		n.changed()
		n.Stop()
		time.Sleep(time.Minute)
		if fast.sent.Load() != 11 || len(n.pages) != 0 {
			t.Errorf("after Stop: %d nudges, %d pages", fast.sent.Load(), len(n.pages))
		}
	})
}
