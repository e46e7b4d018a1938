package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// A cluster that has lost a stream in memory creates it again under its old creation time, with
// sequence numbers from 1. So the epoch of a stream is a text in the stream itself, which is lost with it:
// the last message with the topic's epochSubject. All nodes read the same one. The node that
// finds none writes one.
//
// A stream that is full removes its oldest messages. A node that receives messages writes the epoch again when a
// quarter of the stream was stored after it. If many messages are faster, it knows from its last
// message that the stream is the same.

// checkTopicEvery is how often a node checks that the stream that it reads has the same epoch. The
// epoch is written again when it has half the age at which NATS removes it: for pushes this is
// four times the interval.
const checkTopicEvery = budget.PushAge / 8

// readWait is how long a node that receives messages waits for the next one, if NATS has already removed
// the last one, and until it asks again for one that seems to be lost.
const readWait = time.Second

// pollWait is the time after which a node looks again at what it waits for.
const pollWait = 20 * time.Millisecond

// epochOf returns the epoch of a topic's stream. It writes it if there is none, if NATS soon removes it
// because of its age, and if again is set. It writes another one if the stream has lost messages that this node has received: then
// others get their numbers.
func (b *Broker) epochOf(ctx context.Context, t topic.Topic, l *link, stream jetstream.Stream, again bool) (string, error) {
	for ; ; again = false {
		last, err := leader.Last(ctx, l.js, stream.CachedInfo().Config.Name, t.EpochSubject())
		var text string
		var over uint64
		switch {
		case err == nil:
			text, over = string(last.Data), last.Sequence
			lost := false
			if received := b.lastReceived(t); received.Cursor.Epoch == text {
				if _, lost, err = b.has(ctx, t, l, received); lost {
					pause(ctx, readWait) // a server may have delivered a message a moment before the leader has it
					_, lost, err = b.has(ctx, t, l, received)
				}
				if err != nil {
					return "", err
				}
			}
			if lost {
				text = newEpoch()
			} else if !again && stream.CachedInfo().TimeStamp.Sub(last.Time) < t.Age/2 { // both times are NATS's
				return text, nil
			}
		case errors.Is(err, jetstream.ErrMsgNotFound):
			if text, err = b.knownEpoch(ctx, t, l); err != nil {
				return "", err
			}
		default:
			return "", err
		}
		_, err = leader.Ask(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
			return l.js.Publish(ctx, t.EpochSubject(), []byte(text), jetstream.WithExpectLastSequencePerSubject(over))
		})
		if err == nil {
			return text, nil
		}
		if !ack.IsWrongRevision(err) { // otherwise another node has written it
			return "", err
		}
	}
}

// knownEpoch returns the epoch of a stream that has none: NATS has removed it with the oldest messages, if the
// stream still has the last message that this node has received. Otherwise the stream was lost, and its epoch
// is a new one.
func (b *Broker) knownEpoch(ctx context.Context, t topic.Topic, l *link) (string, error) {
	for {
		last := b.lastReceived(t)
		if last.Cursor.Epoch == "" {
			return newEpoch(), nil
		}
		has, lost, err := b.has(ctx, t, l, last)
		switch {
		case err != nil:
			return "", err
		case has:
			return last.Cursor.Epoch, nil
		case lost || !b.receivesMore(ctx, t, last.Cursor):
			return newEpoch(), nil
		}
	}
}

func newEpoch() string { return rand.Text()[:10] }

// has reports whether the stream of a topic has a message that this node has received, or has lost it: another one has its number, or none
// yet. If it is neither, NATS has removed the message because of its age, or for others.
func (b *Broker) has(ctx context.Context, t topic.Topic, l *link, m Message) (has, lost bool, err error) {
	stored, err := leader.Message(ctx, l.js, t.Stream(), m.Cursor.Seq)
	if err == nil {
		has = stored.Time.Equal(m.Stored)
		return has, !has, nil
	}
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, false, err
	}
	stream, err := leader.Stream(ctx, l.js, t.Stream())
	return false, err == nil && stream.CachedInfo().State.LastSeq < m.Cursor.Seq, err
}

// receivesMore waits until this node receives a message after last, and reports whether it does.
func (b *Broker) receivesMore(ctx context.Context, t topic.Topic, last topic.Cursor) bool {
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	for b.lastReceived(t).Cursor == last {
		if ctx.Err() != nil {
			return false
		}
		pause(ctx, pollWait)
	}
	return true
}
