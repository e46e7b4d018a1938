// Package health knows which of the tasks of NATS for a node fail, and since when.
package health

import (
	"math/rand/v2"
	"time"
)

// Task is something that NATS does for a node. Each can fail while the others work: a server
// that is cut off from the rest of its cluster may still answer about the bucket.
type Task uint8

// The tasks.
const (
	Binding Task = iota // connect, and find the bucket
	Reading             // watch the bucket
	Writing             // store entries
	tasks
)

const (
	// leaveAfter is how long the first server may fail before the node goes to another one
	// of the cluster. It is longer than an election of leaders takes. The time of the next
	// servers doubles, at most maxLeft times.
	leaveAfter = 5 * time.Second
	maxLeft    = 3

	// RetryWait is how long to wait after the first failure, and maxRetryWait after many.
	RetryWait    = 250 * time.Millisecond
	maxRetryWait = 2 * time.Second
)

// Health is what NATS fails to do for a node. Its zero value is of a node for which all works. It is
// not safe for concurrent use. Times are those since a fixed moment.
type Health struct {
	failures [tasks]failure
	inARow   int // failed tries since the connection was made or all worked
	left     int // servers that were left since all worked
}

type failure struct {
	err   error
	since time.Duration
}

// Err returns why presence is not read and written now, or nil.
func (h *Health) Err() error {
	for _, f := range h.failures {
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// Failed records that a task, begun at since, has failed. It reports whether all worked before.
func (h *Health) Failed(t Task, err error, since time.Duration) (first bool) {
	first = h.Err() == nil
	if h.failures[t].err != nil {
		since = h.failures[t].since
	}
	h.failures[t] = failure{err, since}
	return first
}

// Tried counts a failed try.
func (h *Health) Tried() { h.inARow++ }

// Did records that a task has worked. It reports whether all work again because of that.
func (h *Health) Did(t Task) (recovered bool) {
	if h.failures[t].err == nil {
		return false
	}
	h.failures[t] = failure{}
	if h.Err() != nil {
		return false
	}
	h.inARow, h.left = 0, 0
	return true
}

// Restart forgets since when tasks fail: another server gets the same time as the last one.
func (h *Health) Restart(now time.Duration) {
	for t := range h.failures {
		h.failures[t].since = now
	}
	h.inARow = 0
}

// MustLeave reports whether the server has failed for long enough. The next one gets twice
// the time: perhaps no server has a quorum.
func (h *Health) MustLeave(now time.Duration) bool {
	if now-h.since(now) < leaveAfter<<h.left {
		return false
	}
	h.left = min(h.left+1, maxLeft)
	return true
}

// since returns when the longest failure began, or now.
func (h *Health) since(now time.Duration) time.Duration {
	for _, f := range h.failures {
		if f.err != nil {
			now = min(now, f.since)
		}
	}
	return now
}

// RetryIn returns how long to wait before the next try.
func (h *Health) RetryIn() time.Duration { return BackOff(h.inARow) }

// BackOff returns how long to wait after this number of failures in a row.
func BackOff(failures int) time.Duration {
	d := min(RetryWait<<min(failures, 8), maxRetryWait)
	return d/2 + rand.N(d)
}
