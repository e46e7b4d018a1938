package room

import (
	"testing"
)

// TestNudgesAreSpread lets few beat at once, and many over a second.
func TestNudgesAreSpread(t *testing.T) {
	for pages, want := range map[int]int{0: 0, 1: 0, 20: 0, 21: 10, 70: 500, 120: 1000, 5000: 1000} {
		if got := spread(pages); got != want {
			t.Errorf("%d pages beat over %d ms, want %d", pages, got, want)
		}
	}
}
