package health

import (
	"testing"
	"time"
)

// TestBackOff checks that the time before the next try grows with the failures, up to a limit.
func TestBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: RetryWait, 1: 2 * RetryWait, 2: 4 * RetryWait, 3: maxRetryWait, 1000: maxRetryWait} {
		for range 100 {
			if d := BackOff(failures); d < want/2 || d > want*3/2 {
				t.Fatalf("%v after %d failures", d, failures)
			}
		}
	}
}
