package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Handler receives what a watch of the bucket brings.
type Handler struct {
	Update       func(jetstream.KeyValueEntry) // a key was written or deleted
	SnapshotDone func()                        // the watch has delivered all keys that existed when it began
	Expire       func()                        // one TTL has passed since then
}

// Watch watches keys of the bucket until ended receives or ctx ends. It returns an error if
// the watch ends by itself.
func Watch[E any](ctx context.Context, kv jetstream.KeyValue, filter string, ttl time.Duration, ended <-chan E, h Handler) error {
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
	var expired <-chan time.Time
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch was closed")
			case e == nil:
				h.SnapshotDone()
				expired = time.After(ttl)
			default:
				h.Update(e)
			}
		case <-expired:
			h.Expire()
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
	w, err := kv.Watch(ctx, filter)
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

// ReadEntry returns nil for a key that was deleted, and for a value that is not valid.
func ReadEntry(e jetstream.KeyValueEntry) (presence.Key, *presence.Stored, error) {
	if e.Operation() != jetstream.KeyValuePut {
		return presence.Key{}, nil, nil
	}
	return presence.ParseStored(e.Key(), e.Value())
}
