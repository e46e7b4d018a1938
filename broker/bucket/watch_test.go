package bucket

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

// TestMain fails when goroutines are left after the tests.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// deaf is a NATS that does not answer.
type deaf struct{ jetstream.KeyValue }

func (deaf) Watch(ctx context.Context, _ string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A watch ends with the connection that it was requested over.
func TestWatchOfALostConnection(t *testing.T) {
	replaced := make(chan struct{})
	close(replaced)
	start := time.Now()
	if err := Watch(t.Context(), deaf{}, ">", time.Minute, replaced, Handler{}); err != nil {
		t.Errorf("a watch of the link before: %v", err)
	}
	if took := time.Since(start); took >= bindWait {
		t.Errorf("waited %v", took)
	}
}

func TestWatchThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := Watch(t.Context(), deaf{}, ">", time.Minute, make(chan struct{}), Handler{})
		if took := time.Since(start); err == nil || took != bindWait {
			t.Errorf("%v after %v", err, took)
		}
	})
}
