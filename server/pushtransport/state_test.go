package pushtransport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// renew makes the calls of a state once a second for so long. Each fails with the error that
// fails returns. It returns how many renewals there were, and when pages were told what.
func renew(s *State, d time.Duration, fails func() error) (renewals int, told []string) {
	start := time.Now()
	for time.Since(start) < d {
		now := time.Now()
		if holds, news := s.tell(now); news {
			told = append(told, map[bool]string{true: "held at ", false: "not held at "}[holds]+now.Sub(start).String())
		}
		if j, due := s.begin(now); due {
			r := result{called: true, expiresIn: defaultExpiry, err: fails()}
			if j.renew {
				renewals++
			}
			if j.renew && r.err == nil {
				s.Renewed(defaultExpiry, now)
			}
			s.end(j, r, now)
		}
		time.Sleep(time.Second)
	}
	return renewals, told
}

// TestRenewals checks that ten minutes need at most eleven renewals.
func TestRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		s.SetURL("x", time.Now())
		if n, told := renew(&s, 10*time.Minute+time.Second, func() error { return nil }); n > 11 || n < 9 || len(told) != 1 {
			t.Errorf("%d renewals in ten minutes, and pages were told %q", n, told)
		}
	})
}

// TestFailedRenewals checks that pages write their rows again well before these expire, and no
// longer once a renewal succeeds.
func TestFailedRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		start := time.Now()
		s.SetURL("x", start)
		_, told := renew(&s, 10*time.Minute, func() error {
			if at := time.Since(start); at > 30*time.Second && at < 5*time.Minute {
				return errors.New("down")
			}
			return nil
		})
		if len(told) != 3 || told[0] != "held at 1s" || told[1] != "not held at 1m40s" {
			t.Errorf("pages were told %q", told)
		}
	})
}

// TestCallOfAnotherURL checks that a new URL does not wait for the failures of the last one.
func TestCallOfAnotherURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		start := time.Now()
		s.SetURL("https://old.example/", start)
		for range 9 {
			s.end(job{}, result{called: true, err: errors.New("down")}, start)
		}
		if s.SetURL("https://old.example/", start); time.Until(s.retry) < time.Minute {
			t.Error("the same URL ends the pause")
		}
		s.SetURL("https://example.org/", start)
		time.Sleep(retryWait)
		if j, due := s.begin(time.Now()); !due || j.url != "https://example.org/" {
			t.Errorf("the job %+v is due: %v", j, due)
		}
	})
}

// TestChangesAreReported checks that a change whose call fails is reported again, for a while.
func TestChangesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		k := Key{"admin/online", "user-7", 7}
		s.Change(k, time.Now(), nil)
		s.SetURL("x", time.Now())
		if len(s.changed) != 0 {
			t.Error("a change is kept without a URL")
		}
		s.Change(k, time.Now(), nil)
		j, due := s.begin(time.Now())
		if !due || len(j.changed) != 1 {
			t.Fatalf("%+v, %v", j, due)
		}
		if _, due := s.begin(time.Now()); due {
			t.Error("two calls at a time are due")
		}
		s.end(j, result{called: true, err: errors.New("down")}, time.Now())
		if _, due := s.begin(time.Now()); due {
			t.Error("a call is due at once after a failure")
		}
		time.Sleep(retryWait)
		if j, due = s.begin(time.Now()); !due || len(j.changed) != 1 {
			t.Errorf("after a failure: %+v, %v", j, due)
		}
		s.end(j, result{err: errors.New("down")}, time.Now())
		time.Sleep(maxAge)
		if j, _ = s.begin(time.Now()); len(j.changed) != 0 {
			t.Errorf("a change is still reported after %v", maxAge)
		}
	})
}

// TestLeaseOfFailedRenewal checks that a node retries a renewal whose lease it has, and that
// one without the lease asks again later.
func TestLeaseOfFailedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		s.SetURL("x", time.Now())
		j, _ := s.begin(time.Now())
		s.end(j, result{called: true, err: errors.New("down")}, time.Now())
		time.Sleep(retryWait)
		j, due := s.begin(time.Now())
		if !due || !j.renew || !j.leased {
			t.Errorf("after a failure: %+v, %v", j, due)
		}
		s.end(j, result{called: true, expiresIn: defaultExpiry}, time.Now())
		time.Sleep(share(defaultExpiry, renewShare))
		if j, due = s.begin(time.Now()); !due || j.leased {
			t.Errorf("after a success: %+v, %v", j, due)
		}
		s.end(j, result{refused: true}, time.Now())
		if _, due = s.begin(time.Now()); due {
			t.Error("a refused lease is asked for again at once")
		}
	})
}

// TestLeaseTime checks that renewals need few buckets of leases, and that a lease is over when the
// next renewal is due.
func TestLeaseTime(t *testing.T) {
	times := make(map[time.Duration]bool)
	for expiry := minExpiry; expiry <= maxExpiry; expiry++ {
		s := State{expiresIn: time.Duration(expiry) * time.Second}
		lease := leaseTime(s.every())
		if times[lease] = true; lease > s.every() || 2*lease <= s.every() {
			t.Fatalf("every %v a lease of %v", s.every(), lease)
		}
	}
	if len(times) > 10 {
		t.Errorf("%d durations", len(times))
	}
}

// TestPaceOfARow checks that a row which was reported is reported again half a second later at the
// earliest, and others at once.
func TestPaceOfARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		s.SetURL("x", time.Now())
		s.next = time.Now().Add(time.Hour)
		one, other := Key{"admin/online", "user-1", 1}, Key{"admin/online", "user-2", 2}
		s.Change(one, time.Now(), nil)
		j, _ := s.begin(time.Now())
		s.end(j, result{called: true}, time.Now())
		s.Change(one, time.Now(), nil)
		s.Change(other, time.Now(), nil)
		j, due := s.begin(time.Now())
		if _, found := j.changed[other]; !due || !found || len(j.changed) != 1 {
			t.Errorf("due: %+v, %v", j, due)
		}
		s.end(j, result{called: true}, time.Now())
		if _, due := s.begin(time.Now()); due || !s.waits(time.Now()) {
			t.Error("a row is reported again at once")
		}
		time.Sleep(rowPace)
		if j, due := s.begin(time.Now()); !due || len(j.changed) != 1 || s.waits(time.Now()) {
			t.Errorf("after a while: %+v, %v", j, due)
		}
	})
}

// TestLeaseErrorIsNoFailure checks that the failures of WordPress do not count those of NATS.
func TestLeaseErrorIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		s.SetURL("x", time.Now())
		for range 5 {
			j, due := s.begin(time.Now())
			if !due {
				t.Fatal("not due")
			}
			j.renew = false
			if n := s.end(j, result{unasked: true, err: errors.New("NATS is down")}, time.Now()); n != 0 {
				t.Fatalf("%d failures", n)
			}
			if _, due := s.begin(time.Now()); due {
				t.Fatal("due at once")
			}
			time.Sleep(retryWait)
		}
	})
}
