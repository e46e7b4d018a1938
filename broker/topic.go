package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Topic is something that nodes tell each other beside presence. Each is a
// JetStream stream in memory with the subjects heartbeatd.<name>.<site>.
type Topic struct {
	name  string
	age   time.Duration // how long what was said can be heard by a node that comes later
	bytes int64         // at most; the oldest go first
}

// The topics.
var (
	Pushes      = Topic{"push", 2 * time.Minute, 64 << 20}
	Revocations = Topic{"revoke", 65 * time.Minute, 16 << 20} // longer than any ticket lives
)

// Signal is what was said on a topic.
type Message struct {
	Site   string
	Cursor Cursor
	Data   []byte
}

// Cursor is a place in a topic's stream. It is written <epoch>-<sequence>: the
// epoch changes when NATS loses the stream and makes a new one.
type Cursor struct {
	Epoch string
	Seq   uint64
}

func (c Cursor) String() string { return c.Epoch + "-" + strconv.FormatUint(c.Seq, 10) }

// ParseCursor reads what String wrote.
func ParseCursor(s string) (Cursor, error) {
	epoch, seq, found := strings.Cut(s, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !found || err != nil || epoch == "" {
		return Cursor{}, fmt.Errorf("cursor %q: want <epoch>-<sequence>", s)
	}
	return Cursor{epoch, n}, nil
}

// again is added to an epoch's name when its stream was lost, and made anew under
// its old date, as a cluster does.
const again = "."

// in is the place in a stream of this name whose last message is last: the same,
// or the beginning of another stream.
func (c Cursor) in(epoch string, last uint64) Cursor {
	switch {
	case strings.TrimRight(c.Epoch, again) != epoch:
		return Cursor{Epoch: epoch}
	case last < c.Seq:
		return Cursor{Epoch: c.Epoch + again}
	}
	return c
}

// MaxSignal is the most bytes that Say takes.
const MaxMessage = 128 << 10

// sayWait is how long NATS may take to accept a signal.
const publishWait = 2 * time.Second

// Say tells every node of something. It returns when NATS has it, with its
// place, or an error when NATS does not take it within two seconds.
func (b *Broker) Publish(ctx context.Context, t Topic, site string, data []byte) (Cursor, error) {
	if len(data) > MaxMessage {
		return Cursor{}, fmt.Errorf("a signal of %d bytes: at most %d", len(data), MaxMessage)
	}
	if err := b.Ready(); err != nil {
		return Cursor{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	at, err := b.topic(ctx, t, Cursor{})
	if err != nil {
		return Cursor{}, err
	}
	ack, err := at.link.js.Publish(ctx, t.subject(site), data)
	if errors.Is(err, jetstream.ErrNoStreamResponse) { // it is gone, and made anew
		if at, err = b.topic(ctx, t, at.Cursor); err == nil {
			ack, err = at.link.js.Publish(ctx, t.subject(site), data)
		}
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("saying it on NATS: %w", err)
	}
	if ack.Sequence <= at.Seq { // made anew by another node
		if at, err = b.topic(ctx, t, at.Cursor); err != nil {
			return Cursor{}, err
		}
	}
	b.advance(t, at.Epoch, ack.Sequence)
	return Cursor{at.Epoch, ack.Sequence}, nil
}

// place is how far this node has spoken on a topic.
type place struct {
	Cursor
	link *link
}

// topic is that place, in a stream that is there. NATS is asked for the stream
// only once, and again when the one at stale is none any more: what is said while
// all cores deliver what was said before waits for each answer.
func (b *Broker) topic(ctx context.Context, t Topic, stale Cursor) (place, error) {
	l, _ := b.current()
	b.mu.Lock()
	at := b.places[t.name]
	b.mu.Unlock()
	if at.link == l && at.Epoch != stale.Epoch {
		return at, nil
	}
	stream, err := t.stream(ctx, l)
	if err != nil {
		return place{}, err
	}
	at = place{Cursor{Epoch: epochOf(stream)}, l}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.places[t.name] = at
	return at, nil
}

// said moves a place on.
func (b *Broker) advance(t Topic, epoch string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.places[t.name]; at.Epoch == epoch && at.Seq < seq {
		at.Seq = seq
		b.places[t.name] = at
	}
}

// Hear calls fn with everything that can still be heard on a topic and then
// with what is said, in order, until the broker is closed. After an absence of
// NATS nothing is told twice. fn must not wait for long.
//
// Whenever it has subscribed, and before fn, it calls subscribed, if that is not
// nil, with the place of what was said last: fn gets what was said before, too, as
// far as it has not had it.
func (b *Broker) Subscribe(t Topic, subscribed func(Cursor), fn func(Message)) {
	b.wg.Go(func() {
		var at Cursor
		for b.ctx.Err() == nil {
			l, replaced := b.current()
			if l == nil {
				select {
				case <-replaced:
				case <-b.ctx.Done():
				}
				continue
			}
			if err := b.consume(l, replaced, t, &at, subscribed, fn); err != nil && b.ctx.Err() == nil {
				b.logLimited("a topic cannot be heard, trying again", "topic", t.name, "error", err)
				pause(b.ctx, retryWait)
			}
		}
	})
}

// hear follows a topic through one link, from at on.
func (b *Broker) consume(l *link, replaced <-chan struct{}, t Topic, at *Cursor, subscribed func(Cursor), fn func(Message)) error {
	start, cancel := context.WithTimeout(b.ctx, bindWait)
	defer cancel()
	stream, err := t.stream(start, l)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	*at = at.in(epochOf(stream), last)
	if subscribed != nil {
		subscribed(Cursor{at.Epoch, last})
	}
	consumer, err := stream.OrderedConsumer(start, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: at.Seq + 1,
	})
	if err != nil {
		return err
	}
	broken := make(chan error, 1)
	running, err := consumer.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		site, known := t.site(m.Subject())
		if err != nil || !known || meta.Sequence.Stream <= at.Seq {
			return
		}
		at.Seq = meta.Sequence.Stream
		fn(Message{Site: site, Cursor: *at, Data: m.Data()})
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		select {
		case broken <- err:
		default:
		}
	}))
	if err != nil {
		return err
	}
	defer func() {
		running.Stop()
		<-running.Closed() // at is ours again
	}()
	select {
	case err := <-broken:
		return err
	case <-replaced:
	case <-b.ctx.Done():
	}
	return nil
}

// stream finds the topic's stream, or makes it.
func (t Topic) stream(ctx context.Context, l *link) (jetstream.Stream, error) {
	stream, err := l.js.Stream(ctx, "heartbeatd_"+t.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = l.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: "heartbeatd_" + t.name, Description: "what heartbeatd's nodes tell each other",
			Subjects: []string{"heartbeatd." + t.name + ".*"}, Storage: jetstream.MemoryStorage, Replicas: replicas(l.nc),
			MaxAge: t.age, MaxBytes: t.bytes, MaxMsgSize: MaxMessage + headerRoom,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
			stream, err = l.js.Stream(ctx, "heartbeatd_"+t.name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the stream of %s: %w", t.name, err)
	}
	return stream, nil
}

func (t Topic) subject(site string) string { return "heartbeatd." + t.name + "." + encodeToken(site) }

func (t Topic) site(subject string) (string, bool) {
	token, found := strings.CutPrefix(subject, "heartbeatd."+t.name+".")
	site, ok := decodeToken(token)
	return site, found && ok
}

// epochOf names a stream's incarnation.
func epochOf(s jetstream.Stream) string {
	return strconv.FormatInt(s.CachedInfo().Created.UnixNano(), 36)
}
