package room

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestNudgesAreSpread checks that few pages beat at once, and many over a second.
func TestNudgesAreSpread(t *testing.T) {
	for pages, want := range map[int]int{0: 0, 1: 0, 20: 0, 21: 10, 70: 500, 120: 1000, 5000: 1000} {
		if got := spread(pages); got != want {
			t.Errorf("%d pages beat over %d ms, want %d", pages, got, want)
		}
	}
}

// TestNotifierIntervals checks that subscribed pages are notified at most once in their interval, and
// that a page that unsubscribed is not.
func TestNotifierIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		var fast, slow, gone page
		n.Subscribe(&fast, time.Second, false)
		n.Subscribe(&slow, 5*time.Second, false)
		n.Subscribe(&gone, time.Second, false)
		n.Unsubscribe(&gone)
		for range 100 { // over ten seconds
			n.Changed()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second) // the last change
		if fast.sent.Load() != 11 || slow.sent.Load() != 3 || gone.sent.Load() != 0 {
			t.Errorf("the pages got %d, %d and %d nudges, want 11, 3 and 0", fast.sent.Load(), slow.sent.Load(), gone.sent.Load())
		}
		n.Changed()
		n.Stop()
		time.Sleep(time.Minute)
		if fast.sent.Load() != 11 || len(n.pages) != 0 {
			t.Errorf("after Stop: %d nudges, %d pages", fast.sent.Load(), len(n.pages))
		}
	})
}

// TestNotifierSendsFirstList checks that a page that needs the list is notified once without a
// change, and again if it was too slow.
func TestNotifierSendsFirstList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		var first, other, slow page
		slow.slow.Store(2)
		for range 2 { // with two beats
			n.Subscribe(&first, time.Second, true)
			n.Subscribe(&other, time.Second, false)
			n.Subscribe(&slow, time.Second, true)
			time.Sleep(10 * time.Second)
		}
		if first.sent.Load() != 1 || other.sent.Load() != 0 || slow.sent.Load() != 1 || slow.slow.Load() != 0 {
			t.Errorf("the pages were notified %d, %d and %d times, want 1, 0 and 1", first.sent.Load(), other.sent.Load(), slow.sent.Load())
		}
		n.Stop()
	})
}
