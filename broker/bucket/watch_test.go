package bucket

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// unanswered is a bucket of a NATS server that does not answer.
type unanswered struct{ jetstream.KeyValue }

func (unanswered) Watch(ctx context.Context, _ string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestWatchOfALostConnection checks that a watch ends with its connection.
func TestWatchOfALostConnection(t *testing.T) {
	replaced := make(chan struct{})
	close(replaced)
	start := time.Now()
	if err := Watch(t.Context(), unanswered{}, ">", replaced, Handler{}); err != nil {
		t.Errorf("Watch: %v, want nil", err)
	}
	if took := time.Since(start); took >= bindWait {
		t.Errorf("Watch returned after %v, want less than %v", took, bindWait)
	}
}

func TestWatchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := Watch(t.Context(), unanswered{}, ">", make(chan struct{}), Handler{})
		if took := time.Since(start); err == nil || took != bindWait {
			t.Errorf("Watch: %v after %v, want an error after %v", err, took, bindWait)
		}
	})
}
