package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Observer follows presence from outside of any node, with a NATS connection
// that may only read.
type Observer struct {
	Site        string // empty: all sites
	SkipPresent bool   // leave out the Joined of those who are there at the start
	OnChange    func(Change)
	Logger      *slog.Logger
}

// Observe calls OnChange with whoever is present, and then with every change
// as it happens, until ctx ends or nc is closed. While NATS is away it waits;
// those who are still there when it is back are not told again.
func Observe(ctx context.Context, nc *nats.Conn, o Observer) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &reader{o: o, js: js, quiet: o.SkipPresent}
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	for ctx.Err() == nil && !nc.IsClosed() {
		if err := r.follow(ctx, status); err != nil && ctx.Err() == nil {
			o.Logger.Warn("presence cannot be read, trying again", "error", err)
			pause(ctx, 4*retryWait)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nats.ErrConnectionClosed
}

// reader is one Observe.
type reader struct {
	o       Observer
	js      jetstream.JetStream
	quiet   bool
	mirror  mirror
	fold    Fold
	created time.Time
}

func (r *reader) follow(ctx context.Context, status <-chan nats.Status) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask, done := context.WithTimeout(ctx, bindWait)
	defer done()
	stream, err := r.js.Stream(ask, streamName)
	if err != nil {
		return err
	}
	kv, err := r.js.KeyValue(ask, bucketName)
	if err != nil {
		return err
	}
	config := stream.CachedInfo()
	if !config.Created.Equal(r.created) {
		r.created = config.Created
		r.mirror.epoch++
	}
	r.mirror.begin(r.mirror.epoch)
	filter := ">"
	if r.o.Site != "" {
		filter = encodeToken(r.o.Site) + ".>"
	}
	w, err := kv.Watch(ctx, filter)
	if err != nil {
		return err
	}
	defer stopWatcher(w, cancel)
	grace := time.NewTimer(0)
	grace.Stop()
	defer grace.Stop()
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch was closed")
			case e == nil:
				r.gone(r.mirror.finish())
				r.quiet = false
				grace.Reset(config.Config.MaxAge)
			default:
				r.watched(e)
			}
		case <-grace.C:
			r.gone(r.mirror.expire())
		case <-status:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *reader) watched(e jetstream.KeyValueEntry) {
	key, stored, err := readEntry(e)
	if err != nil {
		r.o.Logger.Warn("presence entry ignored", "error", err)
	}
	if !r.mirror.watched(e.Key(), key, stored, e.Revision()) {
		return
	}
	if stored != nil {
		r.tell(r.fold.put(e.Key(), key, stored))
	} else {
		r.tell(r.fold.remove(e.Key()))
	}
}

func (r *reader) gone(names []string) {
	for _, name := range names {
		r.tell(r.fold.remove(name))
	}
}

func (r *reader) tell(changes []Change) {
	for _, c := range changes {
		if !r.quiet {
			r.o.OnChange(c)
		}
	}
}
