package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/leader"
)

// Handler receives what a watch of the bucket brings.
type Handler struct {
	Update       func(jetstream.KeyValueEntry) // a key was written or deleted
	SnapshotDone func()                        // the watch has delivered the keys that existed when it began; a few may be missing
}

// Watch watches keys of the bucket until ended receives or ctx ends. It returns an error if
// the watch ends by itself.
func Watch[E any](ctx context.Context, kv jetstream.KeyValue, filter string, ended <-chan E, h Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := startWatch(ctx, cancel, kv, filter, ended)
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer stopWatch(w, cancel)
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch was closed")
			case e == nil:
				h.SnapshotDone()
			default:
				h.Update(e)
			}
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

var errEnded = errors.New("the watch was cancelled")

// startWatch begins a watch that lasts as long as ctx. The start has a deadline, and is
// cancelled when ended receives: requests over the old connection are not answered over
// the new one.
func startWatch[E any](ctx context.Context, cancel func(), kv jetstream.KeyValue, filter string, ended <-chan E) (jetstream.KeyWatcher, error) {
	started, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-started:
			stopped <- nil
		case <-ended:
			cancel()
			stopped <- errEnded
		case <-time.After(bindWait):
			cancel()
			stopped <- errors.New("NATS does not answer")
		}
	}()
	w, err := leader.First(ctx, func(ctx context.Context) (jetstream.KeyWatcher, error) { return kv.Watch(ctx, filter) },
		func(late jetstream.KeyWatcher) { stopWatch(late, func() {}) })
	close(started)
	why := <-stopped
	if why == nil {
		return w, err
	}
	if err == nil {
		stopWatch(w, cancel)
	}
	return nil, why
}

// stopWatch also drains the watch, since its callback may be waiting to deliver an entry.
func stopWatch(w jetstream.KeyWatcher, cancel func()) {
	cancel() // unsubscribes
	late := time.After(bindWait)
	for {
		select {
		case _, more := <-w.Updates():
			if !more {
				return
			}
		case <-late:
			return
		}
	}
}
