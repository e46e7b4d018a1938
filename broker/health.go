package broker

import (
	"context"
	"math/rand/v2"
	"time"
)

// task is something that NATS does for a node. Each can fail while the others work: a server
// that is cut off from the rest of its cluster may still answer about the bucket.
type task uint8

const (
	binding task = iota // connect, and find the bucket
	reading             // watch the bucket
	writing             // store entries
	tasks
)

const (
	// leaveAfter is how long the first server may fail before the node goes to another one
	// of the cluster. It is longer than an election of leaders takes. The time of the next
	// servers doubles, at most maxLeft times.
	leaveAfter = 5 * time.Second
	maxLeft    = 3

	retryWait    = 250 * time.Millisecond // after the first failure
	maxRetryWait = 2 * time.Second        // after many
)

// health is what NATS fails to do for this node. The broker's lock guards it.
type health struct {
	failures [tasks]failure
	inARow   int // failed tries since the connection was made or all worked
	left     int // servers that were left since all worked
}

type failure struct {
	err   error
	since time.Duration // by the broker's clock
}

// err returns why presence is not read and written now, or nil.
func (h *health) err() error {
	for _, f := range h.failures {
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// restart forgets since when tasks fail: another server gets the same time as the last one.
func (h *health) restart(now time.Duration) {
	for t := range h.failures {
		h.failures[t].since = now
	}
	h.inARow = 0
}

// since returns when the longest failure began, or now.
func (h *health) since(now time.Duration) time.Duration {
	for _, f := range h.failures {
		if f.err != nil {
			now = min(now, f.since)
		}
	}
	return now
}

// failedTask records that a task, begun at since, has failed. The lock is held.
func (b *Broker) failedTask(t task, err error, since time.Duration) {
	if b.health.err() == nil && !b.closed {
		b.log.Warn("presence cannot be read from NATS or written to it, trying again", "error", err)
	}
	if b.health.failures[t].err != nil {
		since = b.health.failures[t].since
	}
	b.health.failures[t] = failure{err, since}
}

// didTask records that a task has worked. The lock is held.
func (b *Broker) didTask(t task) {
	if b.health.failures[t].err == nil {
		return
	}
	b.health.failures[t] = failure{}
	if b.health.err() == nil {
		b.health.inARow, b.health.left = 0, 0
		b.log.Info("presence is read from NATS and written to it", "server", b.link.nc.ConnectedServerName(), "held", len(b.items))
	}
}

// retryIn returns how long to wait before the next try.
func (b *Broker) retryIn() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return backOff(b.health.inARow)
}

// backOff returns how long to wait after this number of failures in a row.
func backOff(failures int) time.Duration {
	d := min(retryWait<<min(failures, 8), maxRetryWait)
	return d/2 + rand.N(d)
}

// awaitLink returns the link to read through when there is one, and the channel that is closed when it is
// replaced. It returns nil when the broker is closed.
func (b *Broker) awaitLink() (*link, <-chan struct{}) {
	for b.ctx.Err() == nil {
		l, replaced := b.current()
		if l != nil {
			return l, replaced
		}
		select {
		case <-replaced:
		case <-b.ctx.Done():
		}
	}
	return nil, nil
}

// awaitRetry waits before something is tried again, unless the link is replaced.
func (b *Broker) awaitRetry(replaced <-chan struct{}, d time.Duration) {
	select {
	case <-replaced:
	case <-b.ctx.Done():
	case <-time.After(d):
	}
}

// leaveServer makes the connection go to another server of the cluster if the one that it
// has does not do its tasks. It is called by the supervisor.
func (b *Broker) leaveServer() {
	if b.server != nil || b.nc == nil || !b.nc.IsConnected() || !b.mustLeave() {
		return
	}
	b.log.Info("leaving a NATS server without quorum", "server", b.nc.ConnectedServerName())
	_ = b.nc.ForceReconnect() // fails only for a closed connection, which is replaced
}

// mustLeave reports whether the server has failed for long enough. The next one gets twice
// the time: perhaps no server has a quorum.
func (b *Broker) mustLeave() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	if now-b.health.since(now) < leaveAfter<<b.health.left {
		return false
	}
	b.health.left = min(b.health.left+1, maxLeft)
	return true
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
