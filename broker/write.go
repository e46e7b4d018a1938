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
const maxFlying = 1024

const ackWait = 5 * time.Second

// How a key's end is written: PURGE for a page that left, DEL for an entry that
// was taken away, for watches tell the two apart and nothing else.
const (
	kvOperation = "KV-Operation"
	kvTaken     = "DEL"
)

// flight is a write that waits for its ack: a put, or (value nil) a purge.
type flight struct {
	it    *item
	value *Stored
	lives time.Duration
}

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
	for {
		js, msg := b.next()
		if msg == nil {
			select {
			case <-b.wake:
				continue
			case <-b.ctx.Done():
				return
			}
		}
		if _, err := js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0)); err != nil {
			b.failed(msg, err)
		}
	}
}

// next takes the next write from the queue: nil when there is none, NATS is
// away or enough are in flight.
func (b *Broker) next() (jetstream.JetStream, *nats.Msg) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.down == nil && b.queue.Len() > 0 && len(b.flying)+b.looking < maxFlying {
		it := b.queue.Remove(b.queue.Front()).(*item)
		it.place = nil
		if msg := b.prepare(it); msg != nil {
			return b.link.js, msg
		}
	}
	return nil, nil
}

// prepare makes the message for what it wants written now, if anything.
func (b *Broker) prepare(it *item) *nats.Msg {
	msg := nats.NewMsg(kvSubject + it.name)
	switch {
	case it.taking:
		msg.Header.Set(kvOperation, kvTaken)
		b.flying[msg] = flight{it: it}
	case it.leaving && it.rev == 0:
		b.look(it)
		return nil
	case it.leaving:
		msg.Header.Set(kvOperation, "PURGE")
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		b.flying[msg] = flight{it: it}
	case it.due:
		lives := b.ttl
		if rest := roundUp(time.Until(it.until)); !it.hold && rest < lives {
			lives = rest // late, or again: it gets no second TTL
			msg.Header.Set(jetstream.MsgTTLHeader, lives.String())
		}
		msg.Data = it.value.appendJSON(make([]byte, 0, it.value.size(1)))
		b.flying[msg] = flight{it, it.value, lives}
		if it.late {
			it.late, it.acked = false, false
		}
		it.told = it.beat
	default:
		return nil
	}
	if !it.taking && (it.leaving || !it.fresh) {
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(it.rev, 10))
	}
	it.busy, it.due, it.fresh, it.sent = true, false, false, true
	return msg
}

// roundUp makes whole seconds, which is how NATS counts the life of a message.
func roundUp(d time.Duration) time.Duration {
	return max(time.Second, (d + time.Second - 1).Truncate(time.Second))
}

// landed takes the flight of a message that came back, and what it was for.
// It is nil when that no longer matters. The lock is held.
func (b *Broker) landed(msg *nats.Msg) (flight, bool) {
	fl, ok := b.flying[msg]
	if !ok {
		return flight{}, false // of an earlier bucket
	}
	delete(b.flying, msg)
	b.wakeWriter()
	fl.it.busy = false
	return fl, b.items[fl.it.name] == fl.it
}

func (b *Broker) acked(_ jetstream.JetStream, msg *nats.Msg, ack *jetstream.PubAck) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fl, ok := b.landed(msg)
	if !ok {
		return
	}
	it := fl.it
	b.lastSeq = max(b.lastSeq, ack.Sequence)
	it.rev = ack.Sequence
	b.learn(it, fl.value, ack.Sequence)
	if fl.value != nil {
		it.until = time.Now().Add(fl.lives)
		it.acked = fl.value == it.value || it.late
	}
	switch {
	case fl.value == nil && it.leaving:
		b.drop(it)
	case it.acked && it.rival > it.rev && !it.leaving:
		b.drop(it)
	case it.leaving || it.due:
		b.enqueue(it)
	}
}

func (b *Broker) failed(msg *nats.Msg, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fl, ok := b.landed(msg)
	if !ok {
		return
	}
	it := fl.it
	it.due = !it.leaving
	var refused *jetstream.APIError
	switch {
	case isWrongRevision(err):
		b.look(it)
	case errors.As(err, &refused): // NATS is well but won't: again when its turn for renewal comes
		b.complain("presence not written", "key", it.name, "error", err)
	default:
		b.enqueue(it)
		b.suspectLocked(err)
	}
}

func (b *Broker) asyncFailed(_ jetstream.JetStream, msg *nats.Msg, err error) { b.failed(msg, err) }

func isWrongRevision(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// look has the looker find out what is in the bucket under a key, because a
// write of ours did not find there what it expected. The lock is held.
func (b *Broker) look(it *item) {
	it.busy = true
	b.looking++
	b.lookups <- lookup{it, b.link, b.epoch}
}

// lookup waits to be answered. There are at most as many as may be in
// flight, so sending one never blocks.
type lookup struct {
	it    *item
	link  *link
	epoch uint64
}

func (b *Broker) looker() {
	for {
		select {
		case l := <-b.lookups:
			ctx, cancel := context.WithTimeout(b.ctx, ackWait)
			msg, err := l.link.stream.GetLastMsgForSubject(ctx, kvSubject+l.it.name)
			cancel()
			b.looked(l, msg, err)
		case <-b.ctx.Done():
			return
		}
	}
}

func (b *Broker) looked(l lookup, msg *jetstream.RawStreamMsg, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looking--
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
		b.suspectLocked(err)
		return
	}
	b.decide(it, msg)
}

// decide goes on with a key whose newest revision is msg.
func (b *Broker) decide(it *item, msg *jetstream.RawStreamMsg) {
	var there *Stored
	if len(msg.Data) > 0 {
		_, there, _ = unseal(it.name, msg.Data)
	}
	foreign := there != nil && there.Node != b.node
	taken := msg.Header.Get(kvOperation) == kvTaken
	switch {
	case it.taking:
		// Not a matter of what is there.
	case taken && it.acked && !it.leaving && msg.Sequence > it.rev:
		b.drop(it)
		return
	case msg.Sequence != 0 && msg.Sequence < it.rev || it.fresh && !it.leaving:
		// A replica that lags, or a new value that goes out whatever is there.
	case it.leaving && there == nil:
		b.learn(it, nil, msg.Sequence)
		b.lapse(it)
		return
	case foreign && (it.leaving || it.acked || it.value.DateGMT <= there.DateGMT):
		b.drop(it) // the page has moved there since
		return
	default:
		it.rev = msg.Sequence
	}
	b.enqueue(it)
}
