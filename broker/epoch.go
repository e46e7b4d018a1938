package broker

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/budget"
)

// A cluster that has lost a stream in memory creates it again under its old creation time, with
// sequence numbers from 1. So the epoch of a stream is a text in the stream itself, which is lost with it:
// the last message with the topic's epochSubject. All nodes read the same one. The node that
// finds none writes one.

// epochToken stands for a site in the subject of a stream's epoch. It is the encoding of no site.
const epochToken = "=epoch"

// checkTopicEvery is how often a node checks that the stream that it reads has the same epoch. The
// epoch is written again when it has half the age at which NATS removes it: for pushes this is
// four times the interval.
const checkTopicEvery = budget.PushAge / 8

// epochOf returns the epoch of a topic's stream.
func (b *Broker) epochOf(ctx context.Context, t Topic, l *link, stream jetstream.Stream) (string, error) {
	for {
		last, err := stream.GetLastMsgForSubject(ctx, t.epochSubject())
		text, over := []byte(rand.Text()[:10]), uint64(0)
		switch {
		case err == nil:
			if stream.CachedInfo().TimeStamp.Sub(last.Time) < t.age/2 { // both times are NATS's
				return string(last.Data), nil
			}
			text, over = last.Data, last.Sequence
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return "", err
		}
		_, err = l.js.Publish(ctx, t.epochSubject(), text, jetstream.WithExpectLastSequencePerSubject(over))
		if err == nil {
			return string(text), nil
		}
		if !isWrongRevision(err) { // otherwise another node has written it
			return "", err
		}
	}
}

func (t Topic) epochSubject() string {
	subject := "heartbeatd." + t.name + "." + epochToken
	if t.keyed {
		subject += "." + epochToken
	}
	return subject
}
