package clock

import (
	"sync"
	"time"
)

const (
	// period is the time for which, at least and at most twice, what a machine has signed counts.
	period = 10 * time.Minute

	// enough is the number of keys after which a clock counts as behind: one may have been late.
	enough = 3
)

// Signer is another machine, whose clock is known from the times in what it signs. What arrives
// was signed before: the time that is furthest ahead comes closest to the machine's clock. The
// zero value knows nothing.
type Signer struct {
	mu           sync.Mutex // guards the following; no other lock is taken under it
	recent, last evidence   // of this period, and of the one before
}

type evidence struct {
	since time.Time
	ahead time.Duration // the furthest; at least one is known if seen is not 0
	seen  int
	keys  int // signed just before they arrived
}

// Signed takes a time that the machine has signed. isKey says that it was signed just before it was
// sent.
func (s *Signer) Signed(at, now time.Time, isKey bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	e := &s.recent
	if ahead := at.Sub(now); e.seen == 0 || ahead > e.ahead {
		e.ahead = ahead
	}
	e.seen++
	if isKey {
		e.keys++
	}
}

// Ahead returns how far the machine's clock is ahead of now, at least. It is negative if the clock
// is behind, by more than Tolerance.
func (s *Signer) Ahead(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	best := s.recent
	if s.last.seen > 0 {
		if best.seen == 0 || s.last.ahead > best.ahead {
			best.ahead = s.last.ahead
		}
		best.keys += s.last.keys
	}
	if best.ahead < 0 && (best.keys < enough || best.ahead > -Tolerance) {
		return 0
	}
	return best.ahead
}

// turn begins a new period if it is time. It is called with s.mu held.
func (s *Signer) turn(now time.Time) {
	switch age := now.Sub(s.recent.since); {
	case age < 0 || age >= 2*period: // also if the clock was set back
		s.recent, s.last = evidence{since: now}, evidence{}
	case age >= period:
		s.recent, s.last = evidence{since: now}, s.recent
	}
}
