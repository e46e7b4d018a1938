// Package cron leaves a beat to PHP when a scheduled event of WordPress is due.
package cron

import (
	"sync"
	"time"
)

// pause is the time after which another beat goes to PHP unless WordPress has named
// a newer time. WordPress starts no second run within a minute of the first; if a run
// was not started, the next request starts one.
const pause = 15 * time.Second

// Cron has the time at which WordPress's next scheduled event is due, on a site whose
// events run only when PHP gets a request. If heartbeatd answered all beats there might be
// no request, so it leaves one beat to PHP. The zero value knows of no event.
type Cron struct {
	mu     sync.Mutex // guards the following fields; no other lock is taken under it
	due    int64      // Unix s; 0: there is none, or the system's cron runs them
	issued int64      // Unix ms: when WordPress named it
	sent   time.Time  // when a beat was last left to PHP
}

// Tell sets the time of the next event, in Unix seconds, unless WordPress has named a newer one;
// issuedMS is when it named it.
func (c *Cron) Tell(due, issuedMS int64) {
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

// Claim reports whether a beat is left to PHP because an event is due: one beat in each
// pause, until WordPress names another time.
func (c *Cron) Claim(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due == 0 || now.Unix() < c.due || now.Sub(c.sent) < pause {
		return false
	}
	c.sent = now
	return true
}

// Due returns the time of the next event, in Unix seconds; 0 if there is none.
func (c *Cron) Due() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.due
}
