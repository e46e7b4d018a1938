package room

import "testing"

// TestListeners adds and removes pages, below and above fewListeners.
func TestListeners(t *testing.T) {
	var l listeners
	pages := make([]page, 3*fewListeners)
	for i := range pages {
		l.add(&pages[i])
		l.add(&pages[i]) // a second time
		if l.len() != i+1 || !l.has(&pages[0]) || !l.has(&pages[i]) || l.has(new(page)) {
			t.Fatalf("after %d pages there are %d", i+1, l.len())
		}
	}
	seen := map[Listener]int{}
	for p := range l.all {
		seen[p]++
	}
	for i := range pages {
		if seen[&pages[i]] != 1 {
			t.Errorf("all yields page %d %d times", i, seen[&pages[i]])
		}
		l.remove(&pages[i])
		if l.len() != len(pages)-i-1 || l.has(&pages[i]) {
			t.Errorf("after %d pages left there are %d", i+1, l.len())
		}
	}
}
