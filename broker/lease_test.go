package broker

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLeaseIsForOne(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	const life = 300 * time.Millisecond
	nodes := []*Broker{open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()})}
	var won, asked atomic.Int64
	started := time.Now()
	var all sync.WaitGroup
	for _, b := range nodes {
		all.Go(func() {
			for time.Since(started) < 4*life {
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
	if n := won.Load(); n < 2 || n > most {
		t.Errorf("%d of %d got it, want 2 to %d", n, asked.Load(), most)
	}
	if mine, err := nodes[0].Lease(t.Context(), "another", life); err != nil || !mine {
		t.Errorf("another: %v, %v", mine, err)
	}
	s.stop()
	becomes(t, nodes[0], false)
	if _, err := nodes[0].Lease(t.Context(), "x", life); err == nil {
		t.Error("got one while NATS is away")
	}
}
