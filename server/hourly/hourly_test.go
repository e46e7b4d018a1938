package hourly

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDue checks that a key is due again after an hour, with the number of occurrences meanwhile.
func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limit[string]
		for i := range 5 {
			if _, due := l.Due("a", time.Now()); due != (i == 0) {
				t.Errorf("occurrence %d: due %v", i, due)
			}
		}
		if _, due := l.Due("b", time.Now()); !due {
			t.Error("another key is not due")
		}
		time.Sleep(every)
		if more, due := l.Due("a", time.Now()); !due || more != 4 {
			t.Errorf("an hour later: %d more, due %v", more, due)
		}
	})
}
