// Package revocation reads the revocations of tickets from NATS, and publishes them again when NATS has
// lost them.
package revocation

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// readWait is how long a page waits for a node that has just started: less than it waits for its welcome.
	readWait = time.Second
	// restoreSpread is the time within which a node begins to publish revocations that NATS has lost.
	restoreSpread = 2 * time.Second
	// restoreWait is the time after which it tries again.
	restoreWait = time.Second
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

	lost chan struct{} // NATS has lost the revocations

	// Used by the goroutine that reads the stream:
	epoch string // of the stream
	tip   uint64 // the number of its last message when this node subscribed
}

// Start subscribes to the stream of revocations. Until the node has read it, the verifier accepts only
// new tickets.
func (r *Reader) Start() {
	r.lost = make(chan struct{}, 1)
	r.Tickets.SetIncomplete()
	r.Broker.Subscribe(broker.Revocations, r.subscribed, r.receive)
}

// Await waits until the node has read the revocations that were published before it started, for up to a
// second, unless NATS cannot be reached. Its callers may wait: they hold no lock.
func (r *Reader) Await(ctx context.Context) {
	if r.Broker.Ready() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	r.Tickets.AwaitComplete(ctx)
}

// subscribed is called with the stream's position before its messages are received. A
// stream with another epoch is a new one, which may lack revocations that this node has.
func (r *Reader) subscribed(_ uint64, tip broker.Cursor) {
	if r.epoch != "" && r.epoch != tip.Epoch {
		r.Tickets.Lost()
		select {
		case r.lost <- struct{}{}:
		default:
		}
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
		}
	}
	if m.Cursor.Seq >= r.tip {
		r.Tickets.SetComplete()
	}
}

// Restore publishes the revocations that this node has and NATS has lost, until stop is closed: nodes
// that start later know only what NATS has.
func (r *Reader) Restore(stop <-chan struct{}) {
	var due <-chan time.Time
	for {
		select {
		case <-stop:
			return
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
			_, err = r.Broker.PublishOverBudget(context.Background(), broker.Revocations, s.Site, data)
		}
		if err != nil {
			return true, err
		}
		r.Tickets.Revoke(s.Site, s.Revocation) // it is stored
	}
	return len(list) > 0, nil
}
