package broker

import (
	"context"
	"time"
)

// Lease returns true to one of all nodes: to the first that calls it, and then to none until d has
// passed. All nodes must call it with the same d, of which there are few.
func (b *Broker) Lease(ctx context.Context, name string, d time.Duration) (bool, error) {
	if err := b.Ready(); err != nil {
		return false, err
	}
	l, _ := b.current()
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	return l.leases.Take(ctx, name, d)
}
