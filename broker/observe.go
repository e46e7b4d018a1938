package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Observer follows presence from outside of any node, with a NATS connection
// that may only read.
type Observer struct {
	Site        string // empty: all sites
	SkipPresent bool   // leave out the Joined of those who are there at the start (on a busy site not quite all)
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
	r := &reader{Observer: o, quiet: o.SkipPresent}
	filter := ">"
	if o.Site != "" {
		filter = siteFilter(o.Site)
	}
	turned := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(turned)
	for ctx.Err() == nil && !nc.IsClosed() {
		kv, err := r.bind(ctx, js)
		if err == nil {
			err = follow(ctx, kv, filter, r.ttl, turned, r)
		}
		if err != nil && ctx.Err() == nil {
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
	Observer
	quiet   bool
	mirror  mirror
	fold    Fold
	ttl     time.Duration
	created time.Time
	lastSeq uint64 // the newest revision seen
}

// bind finds the bucket and begins a snapshot of it.
func (r *reader) bind(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	stream, err := js.Stream(ctx, streamName)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, bucketName)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if isOther(info, r.created, r.lastSeq) {
		r.mirror.begin(r.mirror.epoch + 1)
		r.lastSeq = 0
	} else {
		r.mirror.begin(r.mirror.epoch)
	}
	r.created, r.ttl = info.Created, info.Config.MaxAge
	return kv, nil
}

func (r *reader) watched(e jetstream.KeyValueEntry) {
	r.lastSeq = max(r.lastSeq, e.Revision())
	if r.mirror.knows(e.Key(), e.Revision()) {
		return
	}
	key, stored, err := readEntry(e)
	if err != nil {
		r.Logger.Warn("presence entry ignored", "error", err)
	}
	r.mirror.watched(e.Key(), key, stored, e.Revision())
	if stored != nil {
		r.tell(r.fold.put(e.Key(), key, stored))
	} else {
		r.tell(r.fold.remove(e.Key()))
	}
}

func (r *reader) filled() { r.quiet = false }

func (r *reader) expire() {
	for _, name := range r.mirror.expire() {
		r.tell(r.fold.remove(name))
	}
}

func (r *reader) tell(changes []Change) {
	for _, c := range changes {
		if !r.quiet {
			r.OnChange(c)
		}
	}
}
