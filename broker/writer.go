package broker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxFlying bounds the writes that wait for their acks. While so many do,
// the others stay queued, each key with its newest value only.
const maxInFlight = 1024

// How a key's end is written: PURGE for a page that left, DEL for an entry that
// was taken away, for watches tell the two apart and nothing else.
const (
	kvOperation = "KV-Operation"
	kvTaken     = "DEL"
)

// enqueue has the writer look at it. The lock is held.
func (b *Broker) enqueue(it *item) {
	if it.place != nil || it.busy {
		return // whoever is at it looks again
	}
	it.place = b.queue.PushBack(it)
	b.wakeWriter()
}

func (b *Broker) wakeWriter() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// writer sends what is queued, one write in flight for each key, so that a
// key's writes keep their order.
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

// next takes the next write from the queue: nil when there is none, NATS is
// away or enough are in flight.
func (b *Broker) next() (*nats.Conn, *nats.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.down == nil && b.queue.Len() > 0 && len(b.inFlight)+b.lookingUp < maxInFlight {
		it := b.queue.Remove(b.queue.Front()).(*item)
		it.place = nil
		if msg := b.prepare(it); msg != nil {
			return b.link.nc, msg
		}
	}
	return nil, nil
}

// prepare makes the message for what it wants written now, if anything.
func (b *Broker) prepare(it *item) *nats.Msg {
	msg := nats.NewMsg(kvSubject + it.name)
	switch {
	case it.goal == removed:
		msg.Header.Set(kvOperation, kvTaken)
		b.track(msg, pendingWrite{it: it})
	case it.goal == purged && it.rev == 0:
		b.lookUp(it)
		return nil
	case it.goal == purged:
		msg.Header.Set(kvOperation, "PURGE")
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		b.track(msg, pendingWrite{it: it})
	case it.isDue():
		lives := b.ttl
		if rest := roundUp(time.Until(it.until)); it.goal != renewed && rest < lives {
			lives = rest // late, or again: it gets no second TTL
			msg.Header.Set(jetstream.MsgTTLHeader, lives.String())
		}
		msg.Data = it.value.appendJSON(make([]byte, 0, it.value.size(1)))
		b.track(msg, pendingWrite{it: it, value: it.value, lives: lives})
		if it.pending == dateDue {
			it.unconfirm()
		}
		it.sentBeat = it.beat
	default:
		return nil
	}
	if it.goal != removed && it.pending != newValue && !b.exclusive {
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(it.rev, 10))
	}
	it.busy, it.pending = true, nothing
	if it.written == unsent {
		it.written = unconfirmed
	}
	return msg
}

// roundUp makes whole seconds, which is how NATS counts the life of a message.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// look has the looker find out what is in the bucket under a key, because a
// write of ours did not find there what it expected. The lock is held.
func (b *Broker) lookUp(it *item) {
	it.busy = true
	b.lookingUp++
	b.lookups <- lookup{it, b.link, b.epoch}
}

// lookup waits to be answered. There are at most as many as may be in
// flight, so sending one never blocks.
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
			msg, err := l.link.stream.GetLastMsgForSubject(ctx, kvSubject+l.it.name)
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
		b.recheckLocked(err)
		return
	}
	b.resolve(it, msg)
}

// decide goes on with a key whose newest revision is msg.
func (b *Broker) resolve(it *item, msg *jetstream.RawStreamMsg) {
	var there *Stored
	if len(msg.Data) > 0 {
		_, there, _ = parseStored(it.name, msg.Data)
	}
	foreign := there != nil && there.Node != b.node
	taken := msg.Header.Get(kvOperation) == kvTaken
	switch {
	case it.goal == removed:
		// Not a matter of what is there.
	case taken && it.written == confirmed && !it.leaves() && msg.Sequence > it.rev:
		b.drop(it)
		return
	case msg.Sequence != 0 && msg.Sequence < it.rev || it.pending == newValue:
		// A replica that lags, or a new value that goes out whatever is there.
	case it.leaves() && there == nil:
		b.learn(it, nil, msg.Sequence)
		b.dropExpired(it)
		return
	case foreign && (it.leaves() || it.written == confirmed || it.value.DateGMT <= there.DateGMT):
		b.drop(it) // the page has moved there since
		return
	default:
		it.rev = msg.Sequence
	}
	b.enqueue(it)
}
