package server

import (
	"sync"
	"time"
)

// cronPause is the time after which another beat goes to PHP unless WordPress has named
// a newer time. WordPress starts no second run within a minute of the first; if a run
// was not started, the next request starts one.
const cronPause = 15 * time.Second

// cron has the time at which WordPress's next scheduled event is due, on a site whose
// events run only when PHP gets a request. If heartbeatd answered all beats there might be
// no request, so it leaves one beat to PHP.
type cron struct {
	mu     sync.Mutex // guards the following fields; no other lock is taken under it
	due    int64      // Unix s; 0: there is none, or the system's cron runs them
	issued int64      // Unix ms: when WordPress named it
	sent   time.Time  // when a beat was last left to PHP
}

// tell sets the time of the next event, unless WordPress has named a newer one.
func (c *cron) tell(due, issuedMS int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if issuedMS < c.issued {
		return
	}
	if due != c.due {
		c.sent = time.Time{}
	}
	c.due, c.issued = due, issuedMS
}

// claim reports whether a beat is left to PHP because an event is due: one beat in each
// cronPause, until WordPress names another time.
func (c *cron) claim(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due == 0 || now.Unix() < c.due || now.Sub(c.sent) < cronPause {
		return false
	}
	c.sent = now
	return true
}
