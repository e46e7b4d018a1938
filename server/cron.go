package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// cronPause is the time after which another beat goes to PHP when WordPress has not
// named a newer time. WordPress starts no second run within a minute of the first,
// and where a run was not started, the next request starts one.
const cronPause = 15 * time.Second

// cron is when WordPress's next scheduled event is due, on a site whose events run
// only with requests to PHP. Where heartbeatd answers the beats there may be no
// request: then one beat is left to PHP.
type cron struct {
	mu     sync.Mutex // guards the following fields; no other lock is taken under it
	due    int64      // Unix s; 0: there is none, or a system cron runs them
	issued int64      // Unix ms: when WordPress said so
	sent   time.Time  // when a page was last sent to PHP
}

// tell takes what WordPress said about its next event, unless it has said something
// newer.
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

// claim says whether a beat is to be left to PHP because an event is due: one beat
// in cronPause, until WordPress names another time.
func (c *cron) claim(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due == 0 || now.Unix() < c.due || now.Sub(c.sent) < cronPause {
		return false
	}
	c.sent = now
	return true
}

// apiCron takes the time of a site's next scheduled event, and tells every node.
func (s *Server) apiCron(ctx context.Context, c *apiCall) (int, any, error) {
	if c.At < 0 || c.At > maxTime {
		return 0, nil, badRequest("at is a time in Unix seconds, or 0 for none")
	}
	_, err := s.say(ctx, broker.Pushes, c.Site, message{Kind: "cron", At: c.At, IssuedMS: untilOf(c.issued)})
	return http.StatusAccepted, struct{}{}, err
}

// maxTime bounds what counts as a time: the year 9999, in Unix seconds.
const maxTime = 253_402_300_799
