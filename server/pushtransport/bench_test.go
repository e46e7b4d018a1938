package pushtransport

import (
	"testing"
	"time"
)

// BenchmarkIdleSites looks at 5,000 sites whose rows are held and need no call, as a node does once a
// second.
func BenchmarkIdleSites(b *testing.B) {
	now := time.Now()
	states := make([]*State, 5000)
	for i := range states {
		states[i] = new(State)
		states[i].SetURL("https://example.org/", now)
		states[i].Renewed(time.Hour, now)
		states[i].next = now.Add(time.Hour)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range states {
			s.tell(now)
			if _, due := s.begin(now); due || s.waits(now) {
				b.Fatal("a call is due")
			}
		}
	}
}
