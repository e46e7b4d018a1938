package broker

import (
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/problem"
)

const ackWait = 5 * time.Second

// pendingWrite is a write that waits for its ack: a put, or (value nil) a purge or
// removal.
//
// The jetstream package could wait for acks, but with a timer and a parsed JSON object for
// each renewal of each page.
type pendingWrite struct {
	it      *item
	value   *presence.Stored
	arrival Arrival // of a take-over
	ttl     time.Duration
	since   time.Duration // by the broker's clock
}

// track sets the reply subject of a message, so that its ack finds the pendingWrite. The
// lock is held.
func (b *Broker) track(msg *nats.Msg, fl pendingWrite) {
	b.writeCount++
	msg.Reply = b.link.inbox + strconv.FormatUint(b.writeCount, 36)
	fl.since = b.clock()
	b.inFlight[msg.Reply] = fl
}

// answered handles an ack.
func (b *Broker) answered(m *nats.Msg) {
	seq, err := ack.Parse(m.Data, b.ackHead)
	b.completed(m.Subject, seq, err)
}

// completed ends the pending write that was acknowledged or has failed.
func (b *Broker) completed(reply string, seq uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fl, ok := b.inFlight[reply]
	if !ok {
		return // it was written to an earlier bucket
	}
	delete(b.inFlight, reply)
	b.wakeWriter()
	fl.it.busy = false
	if err == nil {
		b.didTask(health.Writing)
	}
	switch {
	case b.items[fl.it.name] != fl.it: // the item has ended
	case err != nil:
		b.failed(fl, err)
	default:
		b.acked(fl, seq)
	}
}

// failOverdue fails the writes that NATS has not acknowledged in time.
func (b *Broker) failOverdue() {
	var late []string
	b.mu.Lock()
	for reply, fl := range b.inFlight {
		if b.clock()-fl.since > ackWait {
			late = append(late, reply)
		}
	}
	b.mu.Unlock()
	for _, reply := range late {
		b.completed(reply, 0, nats.ErrTimeout)
	}
}

// acked handles a write that NATS has stored. The lock is held.
func (b *Broker) acked(fl pendingWrite, seq uint64) {
	it := fl.it
	b.lastSeq = max(b.lastSeq, seq)
	it.rev = seq
	b.learn(it, fl.value, seq, 0)
	if fl.arrival == it.arrival {
		it.arrival = 0
	}
	if fl.value != nil {
		if fl.value.ExpiresGMT == "" && it.value.ExpiresGMT == "" && (it.goal == renewed || fl.value == it.value) {
			it.until = time.Now().Add(fl.ttl)
		}
		it.written = unconfirmed
		if fl.value == it.value || it.isLate() {
			it.written = confirmed
		}
	}
	switch {
	case fl.value == nil && it.leaves():
		b.drop(it)
	case it.written == confirmed && it.foreignRev > it.rev && !it.leaves():
		b.drop(it)
	case it.leaves() || it.isDue():
		b.enqueue(it)
	}
}

// failed handles a write that NATS has refused or not acknowledged. The lock is held.
func (b *Broker) failed(fl pendingWrite, err error) {
	it := fl.it
	if !it.leaves() {
		it.repeat()
	}
	var refused *jetstream.APIError
	switch {
	case ack.IsWrongRevision(err):
		b.lookUp(it)
	case errors.As(err, &refused): // NATS refuses this write; the next renewal tries again
		b.refused = problem.Now(err)
		b.logLimited("presence not written", "key", it.name, "error", err)
	default:
		b.enqueue(it)
		b.recheck(health.Writing, err, fl.since)
	}
}
