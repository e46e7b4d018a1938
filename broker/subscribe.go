package broker

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// topicHeartbeat is the time between two signs of life of NATS when a topic has no messages. If two are missing, as
// after the end of the server that has the consumer, the topic is read anew.
const topicHeartbeat = 2 * time.Second

// Subscribe calls fn with every message of a topic that is still stored and then with new
// ones, in order, until the broker is closed. After a lost connection no message is
// repeated. fn must not block for long.
//
// Each time it has subscribed, and before it calls fn, it calls subscribed, if that is not
// nil, with the sequence number of the first message that is still stored and the cursor of the
// last one. fn also receives the messages up to that cursor that it has not received yet.
func (b *Broker) Subscribe(t topic.Topic, subscribed func(first uint64, last topic.Cursor), fn func(Message)) {
	t = b.in(t)
	b.wg.Go(func() {
		var at topic.Cursor
		failures := 0
		for {
			l, replaced := b.awaitLink()
			if l == nil {
				return
			}
			started := time.Now()
			err := b.consume(l, replaced, t, &at, subscribed, fn)
			if err == nil || time.Since(started) > 2*bindWait { // it had begun, and has worked
				failures = 0
			}
			if err != nil && b.ctx.Err() == nil {
				b.logLimited("a topic cannot be read, trying again", "topic", t.Name, "error", err)
				b.awaitRetry(replaced, health.BackOff(failures))
				failures++
			}
		}
	})
}

// consume reads a topic through one link, after at.
func (b *Broker) consume(l *link, replaced <-chan struct{}, t topic.Topic, at *topic.Cursor, subscribed func(first uint64, last topic.Cursor), fn func(Message)) error {
	start, cancel := context.WithTimeout(b.ctx, bindWait)
	defer cancel()
	stream, tip, err := b.stream(start, t, l, false)
	if err != nil {
		return err
	}
	*at = at.In(tip.Epoch, tip.Seq)
	if subscribed != nil {
		subscribed(stream.CachedInfo().State.FirstSeq, tip)
	}
	config := jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: at.Seq + 1, NamePrefix: rand.Text(), // a repeated request is for the same one
	}
	consumer, err := leader.Ask(start, func(ctx context.Context) (jetstream.Consumer, error) { return stream.OrderedConsumer(ctx, config) })
	if err != nil {
		return err
	}
	c := consumption{topic: t, link: l, replaced: replaced, epoch: tip.Epoch, broken: make(chan error, 1), epochDue: make(chan struct{}, 1)}
	running, err := consumer.Consume(func(m jetstream.Msg) {
		c.mu.Lock()
		defer c.mu.Unlock()
		meta, err := m.Metadata()
		site, known := t.Site(m.Subject())
		if c.isOver() || err != nil || meta.Sequence.Stream <= at.Seq {
			return
		}
		at.Seq = meta.Sequence.Stream
		c.seen.Store(at.Seq)
		message := Message{Cursor: *at, Stored: meta.Timestamp}
		if b.note(t, message, topic.Stored(m.Subject(), m.Data()), m.Subject() == t.EpochSubject()) {
			signal(c.epochDue, struct{}{})
		}
		if known {
			message.Site, message.Data = site, m.Data()
			b.count(t, message)
		}
		fn(message)
	}, jetstream.PullHeartbeat(topicHeartbeat), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		c.end()
		signal(c.broken, err)
	}))
	if err != nil {
		return err
	}
	defer func() {
		running.Stop()
		<-running.Closed()
		c.end() // from here on no callback uses at
	}()
	return b.untilOther(&c)
}

// note takes a message of n bytes that this node has received. It reports whether the epoch should be written again.
func (b *Broker) note(t topic.Topic, m Message, n int64, isEpoch bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received[t.Name] = m
	return b.sizeOf(t).Received(n, isEpoch)
}

// lastReceived returns the last message of a topic that this node has received, without its data.
func (b *Broker) lastReceived(t topic.Topic) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received[t.Name]
}

// consumption is a topic that is being read through a link.
type consumption struct {
	topic    topic.Topic
	link     *link
	replaced <-chan struct{} // closed when the link is replaced
	epoch    string          // of the stream
	broken   chan error      // why the consumer has ended
	epochDue chan struct{}   // the epoch should be written again
	seen     atomic.Uint64   // the sequence number of the last message

	mu    sync.Mutex // held by callbacks; guards ended
	ended bool       // callbacks do nothing any more
}

func (c *consumption) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// isOver reports whether messages no longer count. After an error or a reconnection package jetstream itself creates the consumer again, after
// the last message. If the stream was lost meanwhile, or its last messages, that leaves out messages. c.mu is held.
func (c *consumption) isOver() bool {
	return c.ended || c.link.nc.Stats().Reconnects != c.link.reconnects
}

// untilOther returns when a topic is to be read anew: from another link or another stream, or after an error.
func (b *Broker) untilOther(c *consumption) error {
	check := time.NewTicker(checkTopicEvery)
	defer check.Stop()
	for {
		again := false
		select {
		case err := <-c.broken:
			return err
		case <-c.replaced:
			return nil
		case <-b.ctx.Done():
			return nil
		case <-c.epochDue:
			again = true
		case <-check.C:
		}
		if b.isOther(c, again) {
			return nil
		}
	}
}

// isOther reports whether the stream of a topic no longer has an epoch: the consumer of the stream before may
// be deaf. If a stream that this node has read is to be in a file, it replaces it. It writes the epoch again if
// again is set.
func (b *Broker) isOther(c *consumption, again bool) bool {
	ctx, cancel := context.WithTimeout(b.ctx, bindWait)
	defer cancel()
	stream, tip, err := b.stream(ctx, c.topic, c.link, again)
	if err != nil {
		return false
	}
	if tip.Epoch != c.epoch {
		return true
	}
	return c.seen.Load() >= tip.Seq && b.moveToFile(ctx, c.topic, c.link, stream)
}
