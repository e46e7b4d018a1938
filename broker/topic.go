package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// Message is a message of a topic. One whose subject names no site has neither a site nor data, as
// those with the epoch of the stream.
type Message struct {
	Site   string
	Cursor topic.Cursor
	Stored time.Time // when NATS stored it, by its clock
	Data   []byte
}

// MaxMessage is the size of the largest message that Publish accepts, in bytes.
const MaxMessage = 128 << 10

// ErrMessageTooLarge is Publish's error for a message of more than MaxMessage bytes.
var ErrMessageTooLarge = errors.New("the message is too large")

// publishWait is the time within which NATS must accept a message.
const publishWait = 2 * time.Second

// Publish sends a message to every node. It returns its position when NATS has stored it.
// The error is a *budget.Error, ErrMessageTooLarge, that of Ready, or says why NATS has not stored
// it within two seconds.
func (b *Broker) Publish(ctx context.Context, t topic.Topic, site string, data []byte) (topic.Cursor, error) {
	t = b.in(t)
	if from := b.budgetOf(t); from != nil {
		n := t.Size(site, data)
		if err := from.Take(site, n); err != nil {
			b.budgets.Report(err)
			return topic.Cursor{}, err
		}
		defer from.Give(site, n) // count counts the message from now on, on all nodes
	}
	return b.PublishOverBudget(ctx, t, site, data)
}

// PublishOverBudget is Publish also if the site has used up its budget, in which the message
// counts. It is for messages that must not be refused and whose number is limited otherwise.
func (b *Broker) PublishOverBudget(ctx context.Context, t topic.Topic, site string, data []byte) (topic.Cursor, error) {
	t = b.in(t)
	return b.publish(ctx, t, t.Subject(site), data)
}

// budgetOf returns the budget of the messages of a topic, or nil.
func (b *Broker) budgetOf(t topic.Topic) *budget.Budget {
	switch t.Name {
	case topic.Pushes.Name:
		return b.budgets.Pushes
	case topic.Revocations.Name:
		return b.budgets.Revocations
	}
	return nil
}

// count counts a message of a topic in the budget of its site, for as long as NATS stores it.
func (b *Broker) count(t topic.Topic, m Message) {
	if from := b.budgetOf(t); from != nil {
		n := t.Size(m.Site, m.Data)
		from.Add(m.Site, n)
		from.GiveLater(m.Site, n, b.Here(m.Stored))
	}
}

// Replace is Publish for a topic that keeps the last message of each key. NATS removes the
// message at the time until, which it rounds to seconds.
func (b *Broker) Replace(ctx context.Context, t topic.Topic, site, key string, data []byte, until time.Time) error {
	t = b.in(t)
	_, err := b.publish(ctx, t, t.KeySubject(site, key), data, jetstream.WithMsgTTL(roundUp(until.Sub(b.Now()))))
	return err
}

// Restore is Replace, but does nothing if the last message of the key is another than the one
// with the sequence number over; 0: if there is one.
func (b *Broker) Restore(ctx context.Context, t topic.Topic, site, key string, data []byte, until time.Time, over uint64) error {
	t = b.in(t)
	_, err := b.publish(ctx, t, t.KeySubject(site, key), data,
		jetstream.WithMsgTTL(roundUp(until.Sub(b.Now()))), jetstream.WithExpectLastSequencePerSubject(over))
	if ack.IsWrongRevision(err) {
		return nil
	}
	return err
}

func (b *Broker) publish(ctx context.Context, t topic.Topic, subject string, data []byte, opts ...jetstream.PublishOpt) (topic.Cursor, error) {
	if len(data) > MaxMessage {
		return topic.Cursor{}, fmt.Errorf("%w: %d bytes, at most %d", ErrMessageTooLarge, len(data), MaxMessage)
	}
	if err := b.Ready(); err != nil {
		return topic.Cursor{}, err
	}
	soon, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	pos, err := b.position(soon, t, topic.Cursor{})
	if err != nil {
		return topic.Cursor{}, err
	}
	defer b.makeRoom(ctx, t, pos.link, topic.Stored(subject, data))()
	ctx, cancel = context.WithTimeout(ctx, publishWait) // without the time that making room has taken
	defer cancel()
	ack, err := pos.link.js.Publish(ctx, subject, data, opts...)
	if errors.Is(err, jetstream.ErrNoStreamResponse) { // the stream was lost
		if pos, err = b.position(ctx, t, pos.Cursor); err == nil {
			ack, err = pos.link.js.Publish(ctx, subject, data, opts...)
		}
	}
	b.noteTopic(t, err)
	if err != nil {
		return topic.Cursor{}, fmt.Errorf("publishing on NATS: %w", err)
	}
	if ack.Sequence <= pos.Seq { // the stream was lost, and another node has created it again
		if pos, err = b.position(ctx, t, pos.Cursor); err != nil {
			return topic.Cursor{}, err
		}
	}
	b.advance(t, pos.Epoch, ack.Sequence)
	return topic.Cursor{Epoch: pos.Epoch, Seq: ack.Sequence}, nil
}

// position is the cursor of the last message on a topic that this node knows of.
type position struct {
	topic.Cursor
	link *link
}

// position returns this node's position in the stream of a topic, and creates the stream if
// it is missing. It requests the stream from NATS once for each link, and again if it is no
// longer that of stale: a request for every message would delay messages that follow each
// other.
func (b *Broker) position(ctx context.Context, t topic.Topic, stale topic.Cursor) (position, error) {
	l, _ := b.current()
	b.mu.Lock()
	pos := b.positions[t.Name]
	b.mu.Unlock()
	if pos.link == l && pos.Epoch != stale.Epoch {
		return pos, nil
	}
	_, tip, err := b.stream(ctx, t, l, false)
	if err != nil {
		return position{}, err
	}
	pos = position{tip, l}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.positions[t.Name] = pos
	return pos, nil
}

// Last returns the cursor of the last message of a topic that NATS has stored, which this node may not have received
// yet. It asks NATS.
func (b *Broker) Last(ctx context.Context, t topic.Topic) (topic.Cursor, error) {
	if err := b.Ready(); err != nil {
		return topic.Cursor{}, err
	}
	t = b.in(t)
	pos, err := b.position(ctx, t, topic.Cursor{})
	if err != nil {
		return topic.Cursor{}, err
	}
	stream, err := leader.Stream(ctx, pos.link.js, t.Stream())
	if err != nil {
		return topic.Cursor{}, err
	}
	return topic.Cursor{Epoch: pos.Epoch, Seq: stream.CachedInfo().State.LastSeq}, nil
}

// advance moves this node's position in a topic forward.
func (b *Broker) advance(t topic.Topic, epoch string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pos := b.positions[t.Name]; pos.Epoch == epoch && pos.Seq < seq {
		pos.Seq = seq
		b.positions[t.Name] = pos
	}
}

// in returns the topic in the NATS of this node.
func (b *Broker) in(t topic.Topic) topic.Topic {
	t.Prefix, t.Bytes = b.config.NATS.Prefix, b.config.NATS.AtMost(t.Bytes)
	return t
}
