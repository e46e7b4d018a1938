package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestLeaseIsExclusive(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	const life = 300 * time.Millisecond
	nodes := []*Broker{open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()})}
	var won, asked atomic.Int64
	started := time.Now()
	var all sync.WaitGroup
	for _, b := range nodes {
		all.Go(func() {
			for won.Load() < 3 && time.Since(started) < patience {
				mine, err := b.Lease(t.Context(), "a site.*", life)
				if err != nil {
					t.Error(err)
					return
				}
				asked.Add(1)
				if mine {
					won.Add(1)
				}
			}
		})
	}
	all.Wait()
	most := int64(time.Since(started)/life) + 1
	if n := won.Load(); n < 3 || n > most {
		t.Errorf("%d of %d calls returned true, want 3 to %d", n, asked.Load(), most)
	}
	if mine, err := nodes[0].Lease(t.Context(), "another", life); err != nil || !mine {
		t.Errorf("Lease of another name: %v, %v", mine, err)
	}
	s.stop()
	waitReady(t, nodes[0], false)
	if _, err := nodes[0].Lease(t.Context(), "x", life); err == nil {
		t.Error("Lease returned no error without NATS")
	}
}

// TestLeaseOfLostBucket checks that a node takes leases again after NATS has lost their bucket.
func TestLeaseOfLostBucket(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	b := open(t, Config{URL: s.url()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // without a limit of its own a call has 5 s
	defer cancel()
	take := func() bool {
		t.Helper()
		mine, err := b.Lease(ctx, "site", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return mine
	}
	if !take() || take() {
		t.Fatal("the lease is not that of the first caller")
	}
	js, err := jetstream.New(connect(t, s.url()))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(ctx, "heartbeatd_lease_3600000ms"); err != nil {
		t.Fatal(err)
	}
	if !take() || take() {
		t.Error("the lease is not that of the first caller after NATS has lost the bucket")
	}
}
