package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// leaseBucket returns the name of the bucket of leases that last for d.
func (b *Broker) leaseBucket(d time.Duration) string {
	return b.config.NATS.Prefix.Name(fmt.Sprintf("heartbeatd_lease_%dms", d.Milliseconds()))
}

// Lease returns true to one of all nodes: to the first that calls it, and then to none
// until d has passed. All nodes must call it with the same d, of which there are few: each has a
// bucket of its own.
func (b *Broker) Lease(ctx context.Context, name string, d time.Duration) (bool, error) {
	if err := b.Ready(); err != nil {
		return false, err
	}
	l, _ := b.current()
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	kv, err := b.leases(ctx, l, d)
	if err != nil {
		return false, fmt.Errorf("lease bucket: %w", err)
	}
	_, err = kv.Create(ctx, presence.EncodeToken(name), []byte(b.node))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return err == nil, err
}

// endLease ends a lease of this node before d has passed, if NATS answers.
func (b *Broker) endLease(l *link, name string, d time.Duration) {
	ctx, cancel := context.WithTimeout(b.ctx, publishWait)
	defer cancel()
	if kv, err := b.leases(ctx, l, d); err == nil {
		_ = kv.Delete(ctx, presence.EncodeToken(name))
	}
}

// leases returns the bucket of leases, and creates it if it is missing.
func (b *Broker) leases(ctx context.Context, l *link, d time.Duration) (jetstream.KeyValue, error) {
	n, name := b.config.NATS, b.leaseBucket(d)
	kv, err := l.js.KeyValue(ctx, name)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	kv, err = l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, Description: "tasks that one heartbeatd node does for all",
		Storage: jetstream.MemoryStorage, Replicas: n.ReplicasOn(l.nc), Placement: n.Placement(), TTL: d,
		MaxBytes: min(n.MaxBytes, 1<<20), // usually none, since NATS would reserve memory for it
	})
	if errors.Is(err, jetstream.ErrBucketExists) { // another node has created it
		return l.js.KeyValue(ctx, name)
	}
	return kv, err
}
