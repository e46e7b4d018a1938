// Package revocation reads the revocations of tickets from NATS, and publishes them again when NATS has
// lost them.
package revocation

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// readWait is how long a page waits for a node that has just started: less than it waits for its welcome.
	readWait = time.Second
	// restoreSpread is the time within which a node begins to publish revocations that NATS has lost.
	restoreSpread = 2 * time.Second
	// restoreWait is the time after which it tries again.
	restoreWait = time.Second
	// settleTime is the age from which a stream has the revocations that other nodes have published again after NATS had
	// lost it, if the last one of these is older than quietTime: nodes notice that within 15 s on a machine that is not busy.
	settleTime = 45 * time.Second
	quietTime  = 15 * time.Second
	// settleMost is the age from which it has them in any case: the clock of a WordPress may make all revocations look old.
	settleMost = 3 * time.Minute
	// oldAge is the age from which a revocation has been published again.
	oldAge = 10 * time.Second
	// restoreBatch is how many revocations it takes at once.
	restoreBatch = 100
)

// Reader passes the revocations of all nodes to a Verifier.
type Reader struct {
	Tickets *ticket.Verifier
	Broker  *broker.Broker
	Log     *slog.Logger
	// Apply is called with each revocation, when the verifier has it.
	Apply func(site string, r ticket.Revocation)

	lost     chan struct{}      // NATS has lost the revocations
	settling chan time.Duration // how long to wait until a new stream has all revocations
	isNew    atomic.Bool        // it waits for that
	settle   time.Duration      // settleTime, unless a test sets another

	// Used by the goroutine that reads the stream:
	epoch string    // of the stream
	tip   uint64    // the number of its last message when this node subscribed
	born  time.Time // when its first message was stored, if this node has received that
	again time.Time // when the last revocation was stored that a node has published again
}

// Start subscribes to the stream of revocations. Until the node has read it, the verifier accepts only
// new tickets.
func (r *Reader) Start() {
	r.lost, r.settling = make(chan struct{}, 1), make(chan time.Duration, 1)
	r.settle = cmp.Or(r.settle, settleTime)
	r.Tickets.SetIncomplete()
	r.Broker.Subscribe(topic.Revocations, r.subscribed, r.receive)
}

// Await waits until the node has read the revocations that were published before it started, for up to a
// second, unless NATS cannot be reached, or has just created the stream. Its callers may wait: they hold no lock.
func (r *Reader) Await(ctx context.Context) {
	if r.Broker.Ready() != nil || r.isNew.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	r.Tickets.AwaitComplete(ctx)
}

// subscribed is called with the stream's position before its messages are received. A
// stream with another epoch is a new one, which may lack revocations that this node has.
func (r *Reader) subscribed(_ uint64, tip topic.Cursor) {
	if r.epoch != "" && r.epoch != tip.Epoch {
		r.Tickets.Lost()
		select {
		case r.lost <- struct{}{}:
		default:
		}
	}
	if r.epoch != tip.Epoch {
		r.born = time.Time{}
	}
	r.epoch, r.tip = tip.Epoch, tip.Seq
}

func (r *Reader) receive(m broker.Message) {
	if m.Data != nil {
		var revoked ticket.Revocation
		if err := json.Unmarshal(m.Data, &revoked); err != nil {
			r.Log.Warn("a revocation on NATS cannot be decoded", "error", err)
		} else {
			r.Tickets.Revoke(m.Site, revoked)
			r.Apply(m.Site, revoked)
			if m.Stored.Sub(time.UnixMilli(revoked.Until)) > oldAge {
				r.again = m.Stored
			}
		}
	}
	if m.Cursor.Seq == 1 {
		r.born = m.Stored
	}
	if m.Cursor.Seq >= r.tip {
		r.caughtUp()
	}
}

// caughtUp is called when this node has read the stream. A new one in an external NATS may lack revocations that other nodes
// still know.
func (r *Reader) caughtUp() {
	now := r.Broker.Now()
	wait := max(r.settle-now.Sub(r.born), min(quietTime-now.Sub(r.again), settleMost-now.Sub(r.born)))
	if r.born.IsZero() || wait <= 0 || r.Broker.RunsNATS() {
		r.Tickets.SetComplete()
		return
	}
	r.isNew.Store(true)
	select {
	case <-r.settling: // nobody else sends
	default:
	}
	r.settling <- wait
}

// Restore publishes the revocations that this node has and NATS has lost, until stop is closed: nodes
// that start later know only what NATS has. They wait until a new stream has them.
func (r *Reader) Restore(stop <-chan struct{}) {
	var due, settled <-chan time.Time
	for {
		select {
		case <-stop:
			return
		case wait := <-r.settling:
			settled = time.After(wait)
		case <-settled:
			settled = nil
			r.Tickets.SetComplete()
		case <-r.lost:
			due = time.After(rand.N(restoreSpread))
		case <-due:
			due = nil
			more, err := r.restore(stop)
			switch {
			case err != nil:
				r.Log.Warn("revocations cannot be published again on NATS, trying again", "error", err)
				due = time.After(restoreWait)
			case more:
				due = time.After(0)
			}
		}
	}
}

// restore publishes some revocations until stop is closed, and reports whether there may be more.
func (r *Reader) restore(stop <-chan struct{}) (more bool, err error) {
	list := r.Tickets.Unstored(restoreBatch)
	for _, s := range list {
		select {
		case <-stop:
			return false, nil
		default:
		}
		data, err := json.Marshal(s.Revocation)
		if err == nil {
			_, err = r.Broker.PublishOverBudget(context.Background(), topic.Revocations, s.Site, data)
		}
		if err != nil {
			return true, err
		}
		r.Tickets.Revoke(s.Site, s.Revocation) // it is stored
	}
	return len(list) > 0, nil
}
