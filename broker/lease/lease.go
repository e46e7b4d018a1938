// Package lease gives a task to one node for a time.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Leases are those that nodes take over one connection to NATS. New makes them.
type Leases struct {
	js   jetstream.JetStream
	nats external.NATS
	node string

	mu      sync.Mutex // guards the following; no other lock is taken under it
	buckets map[time.Duration]jetstream.KeyValue
}

// New returns the leases of a node.
func New(js jetstream.JetStream, nats external.NATS, node string) *Leases {
	return &Leases{js: js, nats: nats, node: node, buckets: map[time.Duration]jetstream.KeyValue{}}
}

// Take returns true to one of all nodes: to the first that calls it, and then to none
// until d has passed. All nodes must call it with the same d, of which there are few: each has a
// bucket of its own.
func (l *Leases) Take(ctx context.Context, name string, d time.Duration) (bool, error) {
	kv, cached, err := l.bucket(ctx, d)
	if err != nil {
		return false, fmt.Errorf("lease bucket: %w", err)
	}
	_, err = kv.Create(ctx, presence.EncodeToken(name), []byte(l.node))
	switch {
	case errors.Is(err, jetstream.ErrKeyExists):
		return false, nil
	case errors.Is(err, jetstream.ErrNoStreamResponse) && cached: // NATS has lost the bucket
		l.forget(d)
		return l.Take(ctx, name, d)
	}
	return err == nil, err
}

// End ends a lease of this node before d has passed, if NATS answers.
func (l *Leases) End(ctx context.Context, name string, d time.Duration) {
	if kv, _, err := l.bucket(ctx, d); err == nil {
		_ = kv.Delete(ctx, presence.EncodeToken(name))
	}
}

// bucket returns the bucket of leases that last for d. It asks NATS for it once, and creates it if it
// is missing.
func (l *Leases) bucket(ctx context.Context, d time.Duration) (kv jetstream.KeyValue, cached bool, err error) {
	l.mu.Lock()
	kv = l.buckets[d]
	l.mu.Unlock()
	if kv != nil {
		return kv, true, nil
	}
	name := l.nats.Prefix.Name(fmt.Sprintf("heartbeatd_lease_%dms", d.Milliseconds()))
	if kv, err = l.js.KeyValue(ctx, name); errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = l.create(ctx, name, d)
	}
	if err != nil {
		return nil, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets[d] = kv
	return kv, false, nil
}

func (l *Leases) create(ctx context.Context, name string, d time.Duration) (jetstream.KeyValue, error) {
	kv, err := l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: name, Description: "tasks that one heartbeatd node does for all",
		Storage: jetstream.MemoryStorage, Replicas: l.nats.ReplicasOn(l.js.Conn()), Placement: l.nats.Placement(), TTL: d,
		MaxBytes: min(l.nats.MaxBytes, 1<<20), // usually none, since NATS would reserve memory for it
	})
	if errors.Is(err, jetstream.ErrBucketExists) { // another node has created it
		return l.js.KeyValue(ctx, name)
	}
	return kv, err
}

func (l *Leases) forget(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.buckets, d)
}
