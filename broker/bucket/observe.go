package bucket

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Observer configures Observe. OnChange is required.
type Observer struct {
	Site        string // empty: all sites
	SkipPresent bool   // no Joined for people who are present at the start (on a busy site there may be a few)
	OnChange    func(presence.Change)
	TTL         time.Duration // the nodes' --presence-ttl; needed if the connection may only subscribe; 60 s if 0
	Logger      *slog.Logger
}

// ErrNoOnChange is Observe's error if Observer.OnChange is nil.
var ErrNoOnChange = errors.New("Observer.OnChange is nil")

// Observe calls OnChange with a Joined for everybody who is present, and then with every
// change as it happens, until ctx ends or nc is closed. While NATS cannot be reached it
// waits; people who are still present afterwards are not announced again.
//
// A connection that may only subscribe cannot request who is present. OnChange learns of
// them when their entries are renewed, within a third of the TTL, and of clients that only
// POST with their next beat.
//
// The error is that of ctx, nats.ErrConnectionClosed, nats.ErrPermissionViolation if the
// connection may not subscribe, or ErrNoOnChange.
func Observe(ctx context.Context, nc *nats.Conn, o Observer) error {
	if o.OnChange == nil {
		return ErrNoOnChange
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.TTL = cmp.Or(o.TTL, presence.DefaultTTL)
	r := &reader{Observer: o, silent: o.SkipPresent}
	replaced := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(replaced)
	for ctx.Err() == nil && !nc.IsClosed() {
		kv, err := r.bind(ctx, js)
		if errors.Is(err, nats.ErrPermissionViolation) {
			return r.subscribe(ctx, nc, replaced)
		}
		if err == nil {
			err = Watch(ctx, kv, presence.KeyFilter(o.Site), r.ttl, replaced, Handler{r.update, r.snapshotDone, r.expire})
		}
		if err != nil && ctx.Err() == nil {
			o.Logger.Warn("presence cannot be read, trying again", "error", err)
			pause(ctx, retryWait)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return nats.ErrConnectionClosed
}

// reader is a running Observe.
type reader struct {
	Observer
	silent    bool
	revisions Revisions
	fold      presence.Fold
	ttl       time.Duration
	created   time.Time
	lastSeq   uint64 // the newest revision seen
}

// bind finds the bucket and begins a snapshot of it.
func (r *reader) bind(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	stream, err := findStream(ctx, js)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, Name)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if IsOther(info, r.created, r.lastSeq) {
		r.revisions.Begin(r.revisions.Epoch() + 1)
		r.lastSeq = 0
	} else {
		r.revisions.Begin(r.revisions.Epoch())
	}
	r.created, r.ttl = info.Created, info.Config.MaxAge
	return kv, nil
}

// findStream returns the bucket's stream. If the connection may not request it, NATS sends
// an asynchronous error instead of an answer; findStream polls for that error.
func findStream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			err := js.Conn().LastError()
			if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), Stream) {
				cancel(err)
			}
			pause(ctx, 10*time.Millisecond)
		}
	}()
	stream, err := js.Stream(ctx, Stream)
	cancel(err)
	<-stopped
	if err != nil {
		return nil, context.Cause(ctx)
	}
	return stream, nil
}

func (r *reader) update(e jetstream.KeyValueEntry) {
	r.lastSeq = max(r.lastSeq, e.Revision())
	if r.revisions.Knows(e.Key(), e.Revision()) {
		return
	}
	key, stored, err := ReadEntry(e)
	if err != nil {
		r.Logger.Warn("presence entry ignored", "error", err)
	}
	r.revisions.Update(e.Key(), key, stored, e.Revision())
	if stored != nil {
		r.report(r.fold.PutName(e.Key(), key, stored))
	} else {
		r.report(r.fold.RemoveName(e.Key()))
	}
}

func (r *reader) snapshotDone() { r.silent = false }

func (r *reader) expire() {
	for _, name := range r.revisions.Expire() {
		r.report(r.fold.RemoveName(name))
	}
}

func (r *reader) report(changes []presence.Change) {
	for _, c := range changes {
		if !r.silent {
			r.OnChange(c)
		}
	}
}
