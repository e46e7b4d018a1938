package pushtransport

import (
	"encoding/json"
	"maps"
	"math/bits"
	"sync"
	"time"
)

const (
	// defaultExpiry is how long the Presence API plugin's rows live, unless WordPress says
	// otherwise.
	defaultExpiry = 150 * time.Second
	// minExpiry and maxExpiry bound what WordPress may say, in s.
	minExpiry = 15
	maxExpiry = 3600
	// Of the time that a row lives, rows are renewed after renewShare of it. Pages write their
	// rows again when no renewal has succeeded for holdShare of it.
	renewShare = 65.0 / 150
	holdShare  = 100.0 / 150
	// callTimeout is how long WordPress may take for a call.
	callTimeout = 10 * time.Second
	// retryWait is the time from a failed call to the next one. After failuresInRow failures
	// it doubles with each failure, up to maxWait.
	retryWait     = 10 * time.Second
	failuresInRow = 3
	maxWait       = 10 * time.Minute
	// rowPace is the least time between two reports of a row.
	rowPace = 500 * time.Millisecond
	// maxChanged is the maximum number of changes of a site that wait to be reported. Further
	// rows expire by themselves, or are written with the next renewal.
	maxChanged = 2000
	// maxAge is how long a change is tried to be reported.
	maxAge = time.Minute
)

// Key names a row.
type Key struct {
	Room, ClientID string
	UserID         int64
}

// change is a change of a row's pages.
type change struct {
	since time.Time       // since when the row no longer shows the page
	where json.RawMessage // the screen of that page
}

// State is what a node knows of the rows of one site. The zero value is ready to use. No other
// lock is taken under its lock.
type State struct {
	mu        sync.Mutex // guards the following fields
	url       string     // empty: no rows are held
	issued    time.Time  // of the ticket that named the URL
	busy      bool
	next      time.Time // of the next renewal
	retry     time.Time // no call is made before, after a failure
	failures  int
	expiresIn time.Duration
	leased    bool // this node has the lease of a renewal that has failed
	heldUntil time.Time
	told      bool              // what pages were told last: whether their rows are held
	changed   map[Key]change    // rows whose pages have changed
	reported  map[Key]time.Time // when a change of a row was reported just now
}

// job is the calls that are due.
type job struct {
	url     string
	renew   bool
	leased  bool          // this node already has the lease of the renewal
	every   time.Duration // the time between two renewals
	changed map[Key]change
}

// result is how a job went.
type result struct {
	called    bool
	refused   bool          // another node has the lease of the renewal
	unasked   bool          // NATS could not be asked for that lease
	expiresIn time.Duration // as WordPress says; 0: it did not
	err       error
}

// SetURL sets the URL that a ticket names for the calls, unless a newer ticket was seen. An
// empty URL says that no rows are held. After failures another URL is called soon.
func (s *State) SetURL(url string, issued time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if issued.Before(s.issued) {
		return
	}
	if soon := time.Now().Add(retryWait); url != s.url && s.failures >= failuresInRow && soon.Before(s.retry) {
		s.retry = soon
	}
	s.issued, s.url = issued, url
	if url == "" {
		s.heldUntil, s.next, s.changed = time.Time{}, time.Time{}, nil
	}
}

// Change records that the page of a row has closed, was hidden or was shown, and which screen it
// has.
func (s *State) Change(k Key, since time.Time, where []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" || len(s.changed) >= maxChanged {
		return
	}
	if s.changed == nil {
		s.changed = make(map[Key]change)
	}
	s.changed[k] = change{since, where}
}

// Renewed records that a node has renewed all rows of the site, which then live for expiresIn.
func (s *State) Renewed(expiresIn time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url != "" {
		s.expiresIn, s.heldUntil = expiresIn, now.Add(share(expiresIn, holdShare))
	}
}

// Told returns what pages were told last: whether their rows are held.
func (s *State) Told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// tell returns whether rows are held, and whether pages must be told so.
func (s *State) tell(now time.Time) (holds, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	holds = now.Before(s.heldUntil)
	news = holds != s.told
	s.told = holds
	return holds, news
}

// Pending reports whether there is something to tell WordPress or pages, although the site may
// have no pages.
func (s *State) Pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changed) > 0 || s.told
}

func share(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }

// leaseTime returns how long the lease of a renewal lasts: the largest power of two seconds that
// is not above the time between two renewals, because each time needs a bucket of its own.
func leaseTime(every time.Duration) time.Duration {
	return time.Second << (bits.Len64(uint64(max(every, time.Second)/time.Second)) - 1)
}

// every returns the time between two renewals. It is called with s.mu held.
func (s *State) every() time.Duration {
	if s.expiresIn == 0 {
		return share(defaultExpiry, renewShare)
	}
	return max(time.Second, share(s.expiresIn, renewShare))
}

// begin returns what must be done now.
func (s *State) begin(now time.Time) (j job, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.changed {
		if now.Sub(c.since) > maxAge {
			delete(s.changed, k)
		}
	}
	if s.url == "" || s.busy || now.Before(s.retry) {
		return job{}, false
	}
	renew := !now.Before(s.next)
	changed := s.takeChanged(now)
	if !renew && len(changed) == 0 {
		return job{}, false
	}
	s.busy = true
	return job{s.url, renew, s.leased, s.every(), changed}, true
}

// takeChanged takes the changes of the rows that were not reported just now: the pages of one user
// may be hidden and shown all the time. It is called with s.mu held.
func (s *State) takeChanged(now time.Time) map[Key]change {
	maps.DeleteFunc(s.reported, func(_ Key, at time.Time) bool { return now.Sub(at) >= rowPace })
	if len(s.changed) == 0 {
		return nil
	}
	taken := make(map[Key]change)
	for k, c := range s.changed {
		if _, just := s.reported[k]; !just {
			taken[k] = c
			delete(s.changed, k)
		}
	}
	return taken
}

// waits reports whether changes wait because their rows were reported just now.
func (s *State) waits(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changed) > 0 && len(s.reported) > 0 && !s.busy && !now.Before(s.retry)
}

// end records how a job went, and returns how many calls in a row have failed. What was not
// reported is reported later.
func (s *State) end(j job, r result, now time.Time) (failures int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if r.err != nil || !r.called {
		for k, c := range j.changed {
			if _, again := s.changed[k]; !again && s.url != "" && len(s.changed) < maxChanged {
				if s.changed == nil {
					s.changed = make(map[Key]change)
				}
				s.changed[k] = c
			}
		}
	}
	switch {
	case r.unasked: // that is no failure of WordPress
		s.retry = now.Add(retryWait)
	case r.refused:
		s.next = now.Add(s.every() / 8)
	case r.err != nil:
		s.leased = s.leased || j.renew
		s.failures++
		wait := retryWait
		if over := s.failures - failuresInRow; over > 0 {
			wait = min(retryWait<<min(over, 16), maxWait)
		}
		s.retry = now.Add(wait)
	case r.called:
		s.failures = 0
		if s.reported == nil {
			s.reported = make(map[Key]time.Time)
		}
		for k := range j.changed {
			s.reported[k] = now
		}
		if j.renew {
			s.leased = false
			if r.expiresIn > 0 {
				s.expiresIn = r.expiresIn
			}
			s.next = now.Add(s.every())
		}
	}
	return s.failures
}

// Failures returns how many calls in a row have failed.
func (s *State) Failures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures
}
