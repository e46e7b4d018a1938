package bucket

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Observer configures Observe. OnChange is required.
type Observer struct {
	Site        string // empty: all sites
	SkipPresent bool   // no Joined for people who are present at the start (on a busy site there may be a few)
	OnChange    func(presence.Change)
	TTL         time.Duration // the nodes' --presence-ttl; needed if the connection may only subscribe; 60 s if 0
	Logger      *slog.Logger
	Prefix      Prefix // the nodes' --nats-prefix
	Domain      string // the nodes' --nats-domain
}

// ErrNoOnChange is Observe's error if Observer.OnChange is nil.
var ErrNoOnChange = errors.New("Observer.OnChange is nil")

// Observe calls OnChange with a Joined for everybody who is present, and then with every
// change as it happens, until ctx ends or nc is closed. Calls do not overlap. While NATS
// cannot be reached it waits; people who are still present afterwards are not announced
// again, unless NATS was away for a Lifetime: entries that are not written for as long are
// reported as left.
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
	js, err := JetStream(nc, o.Domain)
	if err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.TTL = cmp.Or(o.TTL, presence.DefaultTTL)
	r := &reader{Observer: o, silent: o.SkipPresent, ttl: o.TTL, start: time.Now()}
	stop := r.sweep()
	defer stop()
	replaced := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(replaced)
	for ctx.Err() == nil && !nc.IsClosed() {
		kv, err := r.bind(ctx, js)
		if errors.Is(err, nats.ErrPermissionViolation) {
			return r.subscribe(ctx, nc, replaced)
		}
		if err == nil {
			err = Watch(ctx, kv, presence.KeyFilter(o.Site), replaced, Handler{r.update, r.snapshotDone})
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
	start   time.Time
	clock   clock.Peer // of NATS
	bound   time.Time  // when the clock was asked last
	created time.Time
	lastSeq uint64 // the newest revision seen

	mu        sync.Mutex // guards the following; held while OnChange runs
	silent    bool
	revisions Revisions
	fold      presence.Fold
	ttl       time.Duration
}

// bind finds the bucket and begins a snapshot of it.
func (r *reader) bind(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	sent := time.Now()
	stream, err := findStream(ctx, js, r.Prefix.Stream())
	if err != nil {
		return nil, err
	}
	r.bound = time.Now()
	r.clock.Answered(stream.CachedInfo().TimeStamp, sent, r.bound)
	kv, err := leader.Ask(ctx, func(ctx context.Context) (jetstream.KeyValue, error) { return js.KeyValue(ctx, r.Prefix.Name(Name)) })
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	r.mu.Lock()
	defer r.mu.Unlock()
	epoch := r.revisions.Epoch()
	if IsOther(info, r.created, r.lastSeq) {
		epoch++
		r.lastSeq = 0
	}
	r.revisions.Begin(epoch, time.Since(r.start))
	r.created, r.ttl = info.Created, info.Config.MaxAge
	return kv, nil
}

// findStream returns the bucket's stream. If the connection may not request it, NATS sends
// an asynchronous error instead of an answer; findStream polls for that error.
func findStream(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			err := js.Conn().LastError()
			if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), name) {
				cancel(err)
			}
			pause(ctx, 10*time.Millisecond)
		}
	}()
	stream, err := leader.Stream(ctx, js, name)
	cancel(err)
	<-stopped
	if err != nil {
		return nil, context.Cause(ctx)
	}
	return stream, nil
}

func (r *reader) update(e jetstream.KeyValueEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastSeq = max(r.lastSeq, e.Revision())
	if r.revisions.Knows(e.Key(), e.Revision()) {
		return
	}
	w := Write{Name: e.Key(), Rev: e.Revision()}
	if time.Since(r.bound) < r.ttl { // only a snapshot is old, and later the clocks may have drifted apart
		w.Age = r.clock.Age(e.Created())
	}
	if e.Operation() == jetstream.KeyValuePut {
		w.Value = e.Value()
		w.Conn, w.Stored = r.revisions.Same(w.Name, w.Value)
	}
	r.revisions.Update(w, time.Since(r.start))
	r.refresh(e.Key())
}

// refresh folds the newest revision of a key, and reports what has changed.
func (r *reader) refresh(name string) {
	key, stored, err := r.revisions.Get(name)
	if err != nil {
		r.Logger.Warn("presence entry ignored", "error", err)
	}
	if stored != nil {
		r.report(r.fold.PutName(name, key, stored))
	} else {
		r.report(r.fold.RemoveName(name))
	}
}

func (r *reader) snapshotDone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = false
}

// sweep removes expired keys, also while NATS cannot be reached, until stop is called.
func (r *reader) sweep() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(SweepInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.expire()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func (r *reader) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for more := true; more; {
		var names []string
		names, more = r.revisions.Expire(r.ttl, time.Since(r.start))
		for _, name := range names {
			r.report(r.fold.RemoveName(name))
		}
	}
}

func (r *reader) report(changes []presence.Change) {
	for _, c := range changes {
		if !r.silent {
			r.OnChange(c)
		}
	}
}
