package presencesync

import (
	"testing"
	"time"
)

// BenchmarkIdleSites looks at 5,000 sites of which none needs a call, as a node does after each change
// of a row.
func BenchmarkIdleSites(b *testing.B) {
	now := time.Now()
	states := make([]*State, 5000)
	for i := range states {
		states[i] = new(State)
		states[i].SetURL("https://example.org/", now)
		states[i].next = now.Add(time.Hour)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range states {
			if _, due := s.begin(now, time.Hour); due {
				b.Fatal("a call is due")
			}
		}
	}
}
