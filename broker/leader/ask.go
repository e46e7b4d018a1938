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

// Ask calls request, and again every second until one call returns, at most maxAsked times. The first result counts. A request that NATS
// receives during an election is lost: no server answers it, and the next one may be answered at once.
func Ask[T any](ctx context.Context, request func(context.Context) (T, error)) (T, error) {
	return First(ctx, request, func(T) {})
}

// First is Ask for values that must be ended: it calls end with each value that comes later than the first result. The context of the call
// whose result counts lasts as long as ctx, that of the others until then.
func First[T any](ctx context.Context, request func(context.Context) (T, error), end func(T)) (T, error) {
	type result struct {
		call  int
		value T
		err   error
	}
	results := make(chan result, maxAsked)
	var calls sync.WaitGroup
	var cancels []context.CancelFunc
	call := func() {
		ctx, cancel := context.WithCancel(ctx)
		n := len(cancels)
		cancels = append(cancels, cancel)
		calls.Go(func() {
			value, err := request(ctx)
			results <- result{n, value, err}
		})
	}
	call()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		select {
		case first := <-results:
			for n, cancel := range cancels {
				if n != first.call || first.err != nil {
					cancel()
				}
			}
			calls.Wait()
			close(results)
			for r := range results {
				if r.err == nil {
					end(r.value)
				}
			}
			return first.value, first.err
		case <-again.C:
			if len(cancels) < maxAsked {
				call()
			}
		}
	}
}
