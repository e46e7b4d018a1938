package broker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// maxInFlight is the largest number of writes that wait for their acks. Meanwhile other
// keys stay queued, each with its newest value only.
const maxInFlight = 1024

// A key is deleted with PURGE if the page left, and with DEL by Remove. A watch shows the
// difference between the two and no other.
const (
	kvPurged  = "PURGE"
	kvRemoved = "DEL"
)

// enqueue makes the writer write the item. The lock is held.
func (b *Broker) enqueue(it *item) {
	if b.exclusive {
		b.settle(it)
		return
	}
	if it.queued != nil || it.busy {
		return // after the current write it is queued again if needed
	}
	it.queued = b.queue.PushBack(it)
	b.wakeWriter()
}

// settle changes an item as the ack of its write does. Nobody could read the write: views show
// the item, and no other process can connect to NATS. The lock is held.
func (b *Broker) settle(it *item) {
	if it.leaves() {
		b.drop(it)
		return
	}
	if it.goal == renewed {
		it.until = time.Now().Add(b.ttl)
	}
	it.pending, it.written, it.sentBeat, it.arrival = nothing, confirmed, it.beat, 0
}

func (b *Broker) wakeWriter() { signal(b.wake, struct{}{}) }

// writer writes the queued items. One write of each key at a time is in flight, so that
// writes of a key keep their order.
func (b *Broker) writer() {
	overdue := time.NewTicker(ackWait / 5)
	defer overdue.Stop()
	for {
		nc, msg := b.next()
		if msg == nil {
			select {
			case <-b.wake:
			case <-overdue.C:
				b.failOverdue()
			case <-b.ctx.Done():
				return
			}
			continue
		}
		if err := nc.PublishMsg(msg); err != nil {
			b.completed(msg.Reply, 0, err)
		}
	}
}

// next returns the next write, or nil if there is none, the broker is not ready, or
// maxInFlight writes are in flight.
func (b *Broker) next() (*nats.Conn, *nats.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checkPause()
	for b.down == nil && b.queue.Len() > 0 && len(b.inFlight)+b.lookingUp < maxInFlight {
		it := b.queue.Remove(b.queue.Front()).(*item)
		it.queued = nil
		if msg := b.prepare(it); msg != nil {
			return b.link.nc, msg
		}
	}
	return nil, nil
}

// prepare returns the message with the item's next write, or nil.
func (b *Broker) prepare(it *item) *nats.Msg {
	msg := nats.NewMsg(b.writeTo + it.name)
	if b.entitles(it.arrival) && !it.asked && b.revisions.Epoch() == b.epoch {
		it.rev = max(it.rev, it.foreignRev, b.revisions.Rev(it.name))
	}
	it.asked = false
	if it.goal == purged && it.lost && b.failedSince(it.away) {
		b.release(it, it.away)
	}
	switch {
	case it.goal == removed:
		msg.Header.Set(bucket.OperationHeader, kvRemoved)
		b.track(msg, pendingWrite{it: it})
	case it.goal == purged && it.rev == 0:
		b.lookUp(it)
		return nil
	case it.goal == purged:
		msg.Header.Set(bucket.OperationHeader, kvPurged)
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		b.track(msg, pendingWrite{it: it})
	case it.isDue():
		ttl := b.ttl
		if rest := roundUp(time.Until(it.until)); it.goal != renewed && rest < ttl {
			ttl = rest // a late or repeated write does not extend the life of the entry
			msg.Header.Set(jetstream.MsgTTLHeader, ttl.String())
		}
		msg.Data = it.value.JSON()
		b.track(msg, pendingWrite{it: it, value: it.value, arrival: it.arrival, ttl: ttl})
		if it.pending == dateDue {
			it.unconfirm()
		}
		it.sentBeat = it.beat
	default:
		return nil
	}
	if it.goal != removed {
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(it.rev, 10))
	}
	it.busy, it.pending = true, nothing
	if it.written == unsent {
		it.written = unconfirmed
	}
	return msg
}

// roundUp rounds up to whole seconds, the resolution of a message's TTL in NATS.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// lookUp requests the newest revision of a key, because a write did not find the revision
// that it expected. The lock is held.
func (b *Broker) lookUp(it *item) {
	it.busy = true
	b.lookingUp++
	b.counts.LookUps++
	b.lookups <- lookup{it, b.link, b.epoch}
}

// lookup is a request of lookUp. There are at most maxInFlight, so sending one never
// blocks.
type lookup struct {
	it    *item
	link  *link
	epoch uint64
}

func (b *Broker) lookUpWorker() {
	for {
		select {
		case l := <-b.lookups:
			ctx, cancel := context.WithTimeout(b.ctx, ackWait)
			msg, err := leader.Last(ctx, l.link.js, l.link.stream.CachedInfo().Config.Name, b.config.NATS.KeySubject()+l.it.name)
			cancel()
			b.lookedUp(l, msg, err)
		case <-b.ctx.Done():
			return
		}
	}
}

func (b *Broker) lookedUp(l lookup, msg *jetstream.RawStreamMsg, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lookingUp--
	b.wakeWriter()
	it := l.it
	if b.items[it.name] != it || l.epoch != b.epoch {
		return
	}
	it.busy = false
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		msg, err = &jetstream.RawStreamMsg{}, nil
	}
	if err != nil {
		b.enqueue(it)
		b.recheck(health.Writing, err, b.clock())
		return
	}
	b.resolve(it, msg)
}

// resolve continues with an item whose key has the newest revision msg. The lock is held.
func (b *Broker) resolve(it *item, msg *jetstream.RawStreamMsg) {
	var current *presence.Stored
	if len(msg.Data) > 0 {
		_, current, _ = presence.ParseStored(it.name, msg.Data)
	}
	foreign := current != nil && current.Node != b.node
	byRemove := msg.Header.Get(bucket.OperationHeader) == kvRemoved
	// Of two beats that nobody holds the later one ends later.
	isLater := it.goal == expiring && b.Now().Add(time.Until(it.until)).Before(bucket.End(msg, b.ttl))
	switch {
	case it.goal == removed:
		// The write is unconditional.
	case b.entitles(it.arrival):
		it.rev, it.asked = msg.Sequence, true // the page is here now, whichever node had it
		it.unproven = it.unproven || foreign
	case byRemove && it.written == confirmed && !it.leaves() && msg.Sequence > it.rev:
		b.drop(it)
		return
	case msg.Sequence != 0 && msg.Sequence < it.rev: // NATS has lost what this node wrote
		it.rev = msg.Sequence
	case current == nil && (it.leaves() || it.lost): // perhaps this node's own purge, without an ack
		b.learn(it, nil, msg.Sequence, 0)
		b.dropExpired(it)
		return
	case foreign && (current.Held || it.leaves() || it.written == confirmed || isLater):
		b.learn(it, current, msg.Sequence, b.natsClock.Age(msg.Time)) // the page is on that node now
		b.drop(it)
		return
	default:
		it.rev = msg.Sequence
	}
	b.enqueue(it)
}
