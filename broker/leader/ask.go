package leader

import (
	"context"
	"sync"
	"time"
)

const (
	askAgain = time.Second // after a request without an answer
	maxAsked = 5           // requests in all
)

// ask calls request, and again every second until one call returns, at most maxAsked times. The first result counts. A request that NATS
// receives during an election is lost: no server answers it, and the next one may be answered at once.
func ask[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, maxAsked)
	var calls sync.WaitGroup
	defer calls.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call := func() {
		value, err := request(ctx)
		results <- result{value, err}
	}
	calls.Go(call)
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for asked := 1; ; {
		select {
		case r := <-results:
			return r.value, r.err
		case <-again.C:
			if asked < maxAsked {
				asked++
				calls.Go(call)
			}
		}
	}
}
