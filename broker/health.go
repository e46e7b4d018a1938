package broker

import (
	"context"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/health"
)

// failedTask records that a task, begun at since, has failed. The lock is held.
func (b *Broker) failedTask(t health.Task, err error, since time.Duration) {
	if b.health.Failed(t, err, since) && !b.closed {
		b.log.Warn("presence cannot be read from NATS or written to it, trying again", "error", err)
	}
}

// didTask records that a task has worked. The lock is held.
func (b *Broker) didTask(t health.Task) {
	if b.health.Did(t) {
		b.recovered = time.Now()
		b.log.Info("presence is read from NATS and written to it", "server", b.link.nc.ConnectedServerName(), "held", len(b.items))
	}
}

// failedSince reports whether NATS has not worked for this node at some time since t, and another node may use it.
// The lock is held.
func (b *Broker) failedSince(t time.Time) bool {
	return !b.exclusive && (b.health.Err() != nil || t.Before(b.recovered))
}

// retryIn returns how long to wait before the next try.
func (b *Broker) retryIn() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health.RetryIn()
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

func (b *Broker) mustLeave() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health.MustLeave(b.clock())
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
