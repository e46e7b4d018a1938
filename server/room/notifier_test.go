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

// TestNotifierPaces tells the pages that subscribe, each at most once in its pace, and no
// page that unsubscribed.
func TestNotifierPaces(t *testing.T) {
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

// TestNotifierOwes tells a page that is owed the list without a change, once, and again
// when it was too slow for it.
func TestNotifierOwes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Notifier
		var owed, other, slow page
		slow.slow.Store(2)
		for range 2 { // with two beats
			n.Subscribe(&owed, time.Second, true)
			n.Subscribe(&other, time.Second, false)
			n.Subscribe(&slow, time.Second, true)
			time.Sleep(10 * time.Second)
		}
		if owed.sent.Load() != 1 || other.sent.Load() != 0 || slow.sent.Load() != 1 || slow.slow.Load() != 0 {
			t.Errorf("the pages were told %d, %d and %d times, want 1, 0 and 1", owed.sent.Load(), other.sent.Load(), slow.sent.Load())
		}
		n.Stop()
	})
}
