package broker

import (
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/embedded"
	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/broker/streamsize"
	"github.com/heartbeatd/heartbeatd/broker/wheel"
)

// Config configures Open. The zero value runs NATS in this process, in memory.
type Config struct {
	Node      string        // this process's name, unique among all; random if empty
	URL       string        // an external NATS; empty: one in this process
	NATS      external.NATS // how URL is used
	Listen    string        // host:port where the embedded NATS may be reached; empty: nowhere
	StateDir  string        // where the embedded NATS keeps what must survive a restart; empty: nowhere
	Observers []Login       // the NATS users that may connect to Listen, to read; none: anybody may, and Listen must be a loopback address
	TTL       time.Duration // how long an entry lives without renewal; 60 s if 0
	Logger    *slog.Logger
}

// Login is a NATS user of the embedded NATS server that may subscribe to published presence and do
// nothing else.
type Login = embedded.Login

// StateDirError is the error for a folder in which the embedded NATS server cannot keep anything.
type StateDirError = embedded.StateDirError

// minTTL is the shortest TTL for which NATS publishes delete markers.
const minTTL = time.Second

// ErrClosed is the error of a broker after Close.
var ErrClosed = errors.New("the broker is closed")

// Broker writes this node's presence to NATS and reads that of all nodes. Open makes one.
type Broker struct {
	node      string
	ttl       time.Duration
	config    Config
	log       *slog.Logger
	start     time.Time
	ackHead   []byte
	writeTo   string           // the beginning of the subjects of writes
	server    *embedded.Server // nil with an external NATS
	exclusive bool             // NATS is in this process and no other process can connect: nobody else writes

	ctx         context.Context // ends with Close
	cancel      context.CancelFunc
	wg          sync.WaitGroup
	check       chan struct{} // wakes the supervisor
	reconnected chan struct{} // ends its wait after failures
	wake        chan struct{} // wakes the writer
	lookups     chan lookup
	filled      chan struct{}  // closed after the first snapshot of the bucket
	errorLimit  rate.Sometimes // limits log messages that clients can cause

	nc    *nats.Conn // used by the supervisor only
	inbox string     // of nc

	natsClock clock.Peer // not asked if NATS is in this process

	budgets  *budget.Node
	tooSmall sync.Map // the names of the topics of whose streams a warning says so
	noFile   sync.Map // those whose streams are in memory instead of in a file

	mu         sync.Mutex // guards the following; held while onChange runs
	closed     bool
	items      map[string]*item
	ofSite     map[string]map[*item]bool // the items of each site
	wheel      *wheel.Wheel[*item]
	queue      *list.List              // items to be written, oldest first
	inFlight   map[string]pendingWrite // by reply subject
	writeCount uint64                  // the number of writes, for reply subjects
	counts     Stats                   // those of its numbers that have no other place
	lookingUp  int
	views      map[string][]*View  // by site
	revisions  bucket.Revisions    // of all keys of the bucket; not used if exclusive
	positions  map[string]position // by topic

	topicErrors map[string]problem.Last     // by topic
	sizes       map[string]*streamsize.Size // of the streams, by topic
	received    map[string]Message          // the last one of each topic, without its data
	refused     problem.Last                // the last write of presence that NATS has refused
	pulse       time.Time                   // when the pulser ran last
	resumed     time.Time                   // when the last pause of this process was noticed
	arrivals    Arrival                     // the number of arrivals so far
	trusted     Arrival                     // the first arrival since the last pause

	link       *link // the last link that worked
	down       error // why the writer waits for the supervisor; nil if it does not
	health     health.Health
	recovered  time.Time     // when all tasks of health worked again
	replaced   chan struct{} // closed when link is replaced
	cancelBind func()        // cancels the supervisor's requests to NATS
	epoch      uint64        // the number of buckets so far: revisions of two buckets cannot be compared
	lastSeq    uint64        // the newest revision seen in the current bucket
	lag        bucket.Lag    // of the watch
	stored     time.Time     // when NATS stored what the watch has brought last; only the reader uses it
	stopWatch  func()        // ends the watch, so that another one begins
}

// Open starts a broker. If an external NATS does not answer, it starts nevertheless and
// retries, and Ready says why. What a retry cannot fix is an error: a wrong address, wrong
// credentials, a bucket with another TTL.
func Open(ctx context.Context, c Config) (*Broker, error) {
	if c.TTL == 0 {
		c.TTL = presence.DefaultTTL
	}
	if c.Node == "" {
		c.Node = rand.Text()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	b := newBroker(c)
	if c.URL == "" {
		var err error
		if b.server, err = embedded.Start(c.Listen, c.StateDir, c.Observers, b.log); err != nil {
			return nil, err
		}
		b.exclusive = c.Listen == ""
	}
	if err := b.bind(ctx); err != nil {
		if b.server != nil || isPermanent(err) || ctx.Err() != nil {
			return nil, errors.Join(err, b.shutdown())
		}
		b.markDown(err, b.clock())
	}
	for _, run := range []func(){b.supervise, b.pulser, b.writer, b.renewer, b.lookUpWorker, b.lookUpWorker, b.lookUpWorker, b.lookUpWorker} {
		b.wg.Go(run)
	}
	if b.exclusive {
		b.snapshotDone() // views show the items
	} else {
		b.wg.Go(b.reader)
		b.wg.Go(b.sweeper)
		b.Hear(NodeSubjects+b.node+postedKind, func(m *nats.Msg) { b.posted(string(m.Data)) })
	}
	return b, nil
}

// Check returns what is wrong with a configuration, without a connection to NATS.
func (c Config) Check() error {
	if c.TTL != 0 && c.TTL < minTTL {
		return fmt.Errorf("presence TTL %v: at least %v", c.TTL, minTTL)
	}
	if c.URL != "" && c.Listen != "" {
		return errors.New("a NATS listen address is for the embedded NATS, not together with a NATS URL")
	}
	if c.URL == "" && !c.NATS.IsZero() {
		return errors.New("--nats-creds, --nats-nkey, --nats-cert, --nats-key, --nats-ca, --nats-prefix, --nats-domain, --nats-replicas, --nats-cluster, --nats-tag and --nats-max-bytes are for an external NATS: set --nats-url")
	}
	return c.NATS.Check(firstBytes)
}

func newBroker(c Config) *Broker {
	b := &Broker{
		node: c.Node, ttl: c.TTL, config: c, log: c.Logger, start: time.Now(),
		ackHead: ack.Head(c.NATS.Prefix.Stream()), writeTo: c.NATS.WriteSubject(),

		check:       make(chan struct{}, 1),
		reconnected: make(chan struct{}, 1),
		wake:        make(chan struct{}, 1),
		lookups:     make(chan lookup, maxInFlight),
		filled:      make(chan struct{}),
		errorLimit:  rate.Sometimes{First: 3, Interval: 10 * time.Second},

		items:       map[string]*item{},
		ofSite:      map[string]map[*item]bool{},
		wheel:       wheel.New[*item](),
		queue:       list.New(),
		inFlight:    map[string]pendingWrite{},
		views:       map[string][]*View{},
		positions:   map[string]position{},
		topicErrors: map[string]problem.Last{},
		sizes:       map[string]*streamsize.Size{},
		received:    map[string]Message{},
		replaced:    make(chan struct{}),
	}
	b.budgets = budget.NewNode(c.TTL, func(err *budget.Error) { b.logLimited("refused: a site has used up a budget", "error", err) })
	b.down = problem.ErrNotConnected
	b.health.Failed(health.Binding, b.down, 0)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Now returns the time by the clock of NATS, which all nodes ask. What nodes write and compare
// has this time: their own clocks differ. It is this machine's time if NATS is in this process,
// or has not answered yet.
func (b *Broker) Now() time.Time { return b.natsClock.Now() }

// Here returns a time of NATS by this machine's clock. It is not in the future.
func (b *Broker) Here(at time.Time) time.Time {
	return time.Now().Add(-max(0, b.Now().Sub(at)))
}

// NATSAhead returns how far the clock of NATS is ahead of this machine's.
func (b *Broker) NATSAhead() time.Duration { return b.natsClock.Ahead() }

// Budgets returns the budgets of the sites on this node.
func (b *Broker) Budgets() *budget.Node { return b.budgets }

// Close ends the broker and its views. It first writes what is queued, if NATS accepts it
// in time. It purges nothing: the entries end with their TTL.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.flush()
	b.mu.Unlock()
	b.drain()
	b.cancel()
	b.wg.Wait()
	return b.shutdown()
}

// drain waits until the queue is written, or returns at once if NATS cannot be reached.
func (b *Broker) drain() {
	deadline := time.After(ackWait)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		b.mu.Lock()
		idle := b.down != nil || b.queue.Len()+len(b.inFlight)+b.lookingUp == 0
		b.mu.Unlock()
		if idle {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.log.Warn("closing before all presence was written")
			tick.Stop()
			return
		}
	}
}

func (b *Broker) shutdown() error {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.server != nil {
		return b.server.Close()
	}
	return nil
}

// Ready returns nil, or why presence cannot be read and written now.
func (b *Broker) Ready() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	return b.health.Err()
}

// ListenAddr returns the address of the embedded NATS, or "" if it has none.
func (b *Broker) ListenAddr() string {
	if b.server == nil || b.config.Listen == "" {
		return ""
	}
	return b.server.Addr().String()
}

// logLimited logs an error that may happen with every beat, a few times in ten seconds.
func (b *Broker) logLimited(msg string, args ...any) {
	b.errorLimit.Do(func() { b.log.Error(msg, args...) })
}
