package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

const leaseBucket = "heartbeatd_lease"

// Lease returns true to one node of all: to the first that asks, and then to none until d
// has passed. All nodes must ask with the same d.
func (b *Broker) Lease(ctx context.Context, name string, d time.Duration) (bool, error) {
	if err := b.Ready(); err != nil {
		return false, err
	}
	l, _ := b.current()
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	kv, err := leases(ctx, l, d)
	if err != nil {
		return false, fmt.Errorf("the bucket of leases: %w", err)
	}
	_, err = kv.Create(ctx, presence.EncodeToken(name), []byte(b.node))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return err == nil, err
}

// leases returns the bucket of leases, and creates it if it is missing.
func leases(ctx context.Context, l *link, d time.Duration) (jetstream.KeyValue, error) {
	kv, err := l.js.KeyValue(ctx, leaseBucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	kv, err = l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: leaseBucket, Description: "which of heartbeatd's nodes does what only one may do",
		Storage: jetstream.MemoryStorage, Replicas: replicas(l.nc), TTL: d, MaxBytes: 1 << 20,
	})
	if errors.Is(err, jetstream.ErrBucketExists) { // another node was faster
		return l.js.KeyValue(ctx, leaseBucket)
	}
	return kv, err
}
