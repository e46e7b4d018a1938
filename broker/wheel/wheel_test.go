package wheel

import (
	"testing"
	"time"
)

type thing struct{ Place }

func TestCatchesUp(t *testing.T) {
	for running, want := range map[time.Duration]int{
		70 * time.Millisecond: 0, 79 * time.Millisecond: 0, 80 * time.Millisecond: 1,
		300 * time.Millisecond: 23, time.Hour: Slots,
	} {
		t.Run(running.String(), func(t *testing.T) {
			w := New[*thing]()
			if got := w.Turn(70*time.Millisecond, 10*time.Millisecond); got != 7 {
				t.Errorf("%d slots are due at first, want 7", got)
			}
			if got := w.Turn(running, 10*time.Millisecond); got != want {
				t.Errorf("%d slots are due, want %d", got, want)
			}
		})
	}
}

// TestTurn moves and removes items while the wheel turns.
func TestTurn(t *testing.T) {
	w := New[*thing]()
	var moved, removed thing
	w.Add(&moved, "moved")
	w.Add(&removed, "removed")
	w.Plan(&moved, 3)
	w.Plan(&removed, 3)
	seen := make(map[*thing][]int)
	for step := 1; step <= 2*Slots; step++ {
		for it := range w.Next() {
			seen[it] = append(seen[it], step)
			if it == &removed {
				w.Remove(it)
			} else {
				w.Plan(it, Slots/2)
			}
		}
	}
	if got := seen[&removed]; len(got) != 1 || got[0] != 3 {
		t.Errorf("the removed item came in the steps %v, want 3", got)
	}
	if got := seen[&moved]; len(got) != 4 || got[0] != 3 || got[1] != 3+Slots/2 {
		t.Errorf("the moved item came in the steps %v, want 3, 53, 103 and 153", got)
	}
	w.ToHome(&moved)
	if moved.slot != moved.home {
		t.Errorf("the item is in slot %d, and its home is %d", moved.slot, moved.home)
	}
}
