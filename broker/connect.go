package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/embedded"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/lease"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/problem"
)

const (
	bindWait  = 5 * time.Second // for NATS to answer about the bucket
	writeWait = 2 * time.Second // for the connection to take what is written

	// headerRoom is for the headers of a message, beside its value.
	headerRoom = 4 << 10
)

// link is a connection with its bucket. Views read through a link until it is replaced.
type link struct {
	nc         *nats.Conn
	inbox      string // where writes are answered
	js         jetstream.JetStream
	kv         jetstream.KeyValue
	leases     *lease.Leases
	stream     jetstream.Stream
	reconnects uint64
	created    time.Time
	epoch      uint64

	replaced context.Context // ends when the connection is replaced; set when the link is used
	end      context.CancelFunc
}

// permanentError is an error that a retry cannot fix.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func isPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}

// supervise binds again when something may be wrong, and three times in a TTL: a node that
// has nothing to write does not notice otherwise that NATS is gone. After failures it waits
// longer and longer, until the connection is a new one.
func (b *Broker) supervise() {
	for {
		wait := b.ttl / 3
		if b.Ready() != nil {
			wait = health.RetryWait
		}
		select {
		case <-b.ctx.Done():
			return
		case <-b.check:
		case <-time.After(wait):
		}
		started := b.clock()
		if err := b.bind(b.ctx); err != nil && b.ctx.Err() == nil {
			b.markDown(err, started)
		}
		b.leaveServer()
		select {
		case <-b.ctx.Done():
		case <-b.reconnected:
		case <-time.After(b.retryIn()):
		}
	}
}

// bind connects to NATS if it is not connected, and finds or creates the bucket.
func (b *Broker) bind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	b.mu.Lock()
	b.cancelBind = cancel
	b.mu.Unlock()
	if b.nc == nil || b.nc.IsClosed() {
		nc, err := b.dial()
		if err != nil {
			return err
		}
		b.nc, b.inbox = nc, nc.NewInbox()+"."
		if _, err := nc.Subscribe(b.inbox+"*", b.answered); err != nil {
			return err
		}
	}
	if !b.nc.IsConnected() {
		return problem.NotConnected(cmp.Or(b.nc.LastError(), nats.ErrDisconnected))
	}
	l, err := b.newLink(b.nc)
	if err != nil {
		return permanentError{err}
	}
	b.mu.Lock()
	seen := b.lastSeq
	b.mu.Unlock()
	if l.stream, err = b.bucket(ctx, l.js); err != nil {
		return err
	}
	l.kv, err = leader.Ask(ctx, func(ctx context.Context) (jetstream.KeyValue, error) {
		return l.js.KeyValue(ctx, b.config.NATS.Bucket())
	})
	if err != nil {
		return err
	}
	b.useLink(l, l.stream.CachedInfo(), seen)
	return nil
}

func (b *Broker) dial() (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("heartbeatd " + b.node),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(health.RetryWait),
		nats.ReconnectJitter(health.RetryWait, health.RetryWait),
		nats.ReconnectBufSize(-1), // after a reconnection the broker itself writes its current values
		nats.PingInterval(10 * time.Second),
		// A write that blocks holds a lock of the connection, and with it everything that uses it.
		nats.FlusherTimeout(writeWait),
		nats.ReconnectOnFlusherError(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				err = nats.ErrDisconnected
			}
			b.disconnected(problem.NotConnected(err))
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			b.log.Info("reconnected to NATS", "server", nc.ConnectedServerName())
			b.checkNow()
		}),
		nats.ClosedHandler(func(*nats.Conn) { b.checkNow() }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if b.Ready() == nil { // otherwise it is known that NATS does not work
				b.logLimited("NATS error", "error", err)
			}
			b.checkSoon()
		}),
	}
	servers := b.config.URL
	if b.server != nil {
		servers = nats.DefaultURL // ignored
		opts = append(opts, nats.InProcessServer(b.server), nats.UserInfo(embedded.OwnUser, b.server.Password))
	}
	access, err := b.config.NATS.Options()
	if err != nil {
		return nil, permanentError{err}
	}
	nc, err := nats.Connect(servers, append(opts, access...)...)
	if errors.As(err, new(*url.Error)) {
		return nil, permanentError{problem.ErrURL}
	}
	if remedy := problem.RefusedConnection(err); remedy != "" {
		return nil, permanentError{fmt.Errorf("%s: %w", remedy, problem.NotConnected(err))}
	}
	if err != nil {
		return nil, problem.NotConnected(err)
	}
	return nc, nil
}

func (b *Broker) newLink(nc *nats.Conn) (*link, error) {
	b.mu.Lock()
	last := b.link
	b.mu.Unlock()
	if last != nil && last.nc == nc {
		return &link{nc: nc, inbox: last.inbox, js: last.js, leases: last.leases, reconnects: nc.Stats().Reconnects}, nil
	}
	js, err := bucket.JetStream(nc, b.config.NATS.Domain)
	return &link{nc: nc, inbox: b.inbox, js: js, leases: lease.New(js, b.config.NATS, b.node), reconnects: nc.Stats().Reconnects}, err
}

// bucket returns the bucket's stream, and creates it if it is missing.
func (b *Broker) bucket(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	sent := time.Now()
	stream, err := leader.Stream(ctx, js, b.config.NATS.Prefix.Stream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = b.createBucket(ctx, js)
		if err == nil || errors.Is(err, jetstream.ErrBucketExists) { // another node has created it
			sent = time.Now()
			stream, err = leader.Stream(ctx, js, b.config.NATS.Prefix.Stream())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("presence bucket: %w", err)
	}
	if b.server == nil {
		b.natsClock.Answered(stream.CachedInfo().TimeStamp, sent, time.Now())
	}
	return stream, b.checkBucket(stream.CachedInfo().Config)
}

func (b *Broker) createBucket(ctx context.Context, js jetstream.JetStream) error {
	config := jetstream.KeyValueConfig{
		Bucket:         b.config.NATS.Bucket(),
		Description:    "who is in which room, by heartbeatd",
		Storage:        jetstream.MemoryStorage,
		Replicas:       b.config.NATS.ReplicasOn(js.Conn()),
		Placement:      b.config.NATS.Placement(),
		MaxBytes:       b.config.NATS.MaxBytes,
		TTL:            b.ttl,
		LimitMarkerTTL: roundUp(b.ttl), // a watch that starts again still finds the marker
		MaxValueSize:   presence.MaxValue + headerRoom,
		RePublish:      &jetstream.RePublish{Source: b.config.NATS.KeySubject() + ">", Destination: b.config.NATS.Published() + ">"},
	}
	_, err := leader.Ask(ctx, func(ctx context.Context) (jetstream.KeyValue, error) { return js.CreateKeyValue(ctx, config) })
	return err
}

// checkBucket refuses a bucket with another configuration, in which entries would end too
// early or too late.
func (b *Broker) checkBucket(has jetstream.StreamConfig) error {
	published := b.config.NATS.Published() + ">"
	fix := "or stop every node and remove the bucket (nats kv del " + b.config.NATS.Bucket() + "): it is created again"
	switch {
	case has.MaxAge != b.ttl:
		return permanentError{fmt.Errorf("the presence bucket in NATS has a TTL of %v, this node has %v: "+
			"start every node with --presence-ttl=%v, %s", has.MaxAge, b.ttl, has.MaxAge, fix)}
	case has.SubjectDeleteMarkerTTL == 0 || has.RePublish == nil || has.RePublish.Destination != published:
		return permanentError{errors.New("the presence bucket in NATS does not announce expiry or is not republished to " +
			published + ": create it with these, " + fix)}
	}
	return nil
}

// useLink makes l the current link. seen is a revision that was known before info was
// requested.
func (b *Broker) useLink(l *link, info *jetstream.StreamInfo, seen uint64) {
	l.created = info.Created
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.link
	newBucket := last == nil || bucket.IsOther(info, last.created, seen)
	if newBucket {
		b.epoch++
		b.lastSeq = 0
		b.rewriteAll()
	}
	b.lastSeq = max(b.lastSeq, info.State.LastSeq)
	l.epoch = b.epoch
	if newBucket || last.nc != l.nc || last.reconnects != l.reconnects {
		if !newBucket {
			b.requeueInFlight()
		}
		l.follow(last)
		b.link = l
		b.counts.Reconnects++ // the first one is subtracted by Stats
		close(b.replaced)
		b.replaced = make(chan struct{})
	}
	b.down = nil
	b.didTask(health.Binding)
	if b.queue.Len()+len(b.inFlight)+b.lookingUp == 0 {
		b.didTask(health.Writing) // what failed to be written has ended
	}
	b.wakeWriter()
}

// follow ends the questions that wait for answers over the link before, if the connection is another one.
func (l *link) follow(last *link) {
	if last != nil && last.nc == l.nc && last.reconnects == l.reconnects {
		l.replaced, l.end = last.replaced, last.end
		return
	}
	if last != nil && last.end != nil {
		last.end()
	}
	l.replaced, l.end = context.WithCancel(context.Background())
}

// requeueInFlight queues the pending writes of a lost connection again: their acks will
// not arrive.
func (b *Broker) requeueInFlight() {
	for reply, fl := range b.inFlight {
		delete(b.inFlight, reply)
		fl.it.busy = false
		if b.items[fl.it.name] == fl.it {
			if !fl.it.leaves() {
				fl.it.repeat()
			}
			b.enqueue(fl.it)
		}
	}
}

// rewriteAll queues all items for a bucket that is new and empty.
func (b *Broker) rewriteAll() {
	clear(b.inFlight)
	for _, it := range b.items {
		it.busy, it.written, it.rev, it.foreignRev = false, unsent, 0, 0
		if it.leaves() {
			b.dropExpired(it)
			continue
		}
		it.repeat()
		b.enqueue(it)
	}
}

// current returns the link to read through, nil before the first one, and the channel that
// is closed when it is replaced.
func (b *Broker) current() (*link, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.link, b.replaced
}

// markDown stops the writer until the supervisor has bound again. since is when the try that
// has failed began.
func (b *Broker) markDown(err error, since time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.markDownLocked(health.Binding, err, since)
	b.health.Tried()
}

func (b *Broker) markDownLocked(t health.Task, err error, since time.Duration) {
	b.failedTask(t, err, since)
	b.down = err
}

// disconnected is markDown for a lost connection. It also cancels what the supervisor has
// requested over it.
func (b *Broker) disconnected(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.markDownLocked(health.Binding, err, b.clock())
	b.cancelBind()
}

// recheck stops the writer and makes the supervisor check the bucket, because a task that
// began at since has failed. The lock is held.
func (b *Broker) recheck(t health.Task, err error, since time.Duration) {
	b.markDownLocked(t, err, since)
	b.checkSoon()
}

func (b *Broker) checkSoon() { signal(b.check, struct{}{}) }

// signal sends to a channel with a buffer of one, unless it is full.
func signal[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// checkNow is checkSoon for a new connection, which has not failed yet.
func (b *Broker) checkNow() {
	b.mu.Lock()
	b.health.Restart(b.clock())
	b.mu.Unlock()
	signal(b.reconnected, struct{}{})
	b.checkSoon()
}
