package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Topic is a kind of message between nodes. Each is a JetStream stream with the
// subjects heartbeatd.<name>.<site>, or heartbeatd.<name>.<site>.<key> if it keeps the last
// message of each key.
type Topic struct {
	name  string
	age   time.Duration // how long a message is kept for nodes that start later
	bytes int64         // the limit of the stream; the oldest messages are dropped first
	keyed bool          // a message replaces the last one with its key
	file  bool          // in a file, where NATS has one, and not in memory

	prefix bucket.Prefix // of this installation
}

const (
	// PushAge is how long a push can be received after it was published.
	PushAge = budget.PushAge
	// DepositAge is the same for a deposit.
	DepositAge = time.Hour
	// DepositBytes is the largest number of bytes of the messages of all deposits.
	DepositBytes = budget.StreamBytes
)

// The topics.
var (
	Pushes      = Topic{name: "push", age: PushAge, bytes: budget.StreamBytes}
	Revocations = Topic{name: "revoke", age: budget.RevocationAge, bytes: budget.StreamBytes, file: true}
	Deposits    = Topic{name: "deposit", age: DepositAge, bytes: DepositBytes, keyed: true}
)

// Message is a message of a topic. One whose subject names no site has neither a site nor data, as
// those with the epoch of the stream.
type Message struct {
	Site   string
	Cursor Cursor
	Stored time.Time // when NATS stored it, by its clock
	Data   []byte
}

// Cursor is a position in a topic's stream, written <epoch>-<sequence>. The epoch, the same on all nodes,
// changes when NATS loses the stream, which is created again, or the stream's last messages.
type Cursor struct {
	Epoch string
	Seq   uint64
}

func (c Cursor) String() string { return c.Epoch + "-" + strconv.FormatUint(c.Seq, 10) }

// ParseCursor parses what String returns.
func ParseCursor(s string) (Cursor, error) {
	epoch, seq, found := strings.Cut(s, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !found || err != nil || epoch == "" {
		return Cursor{}, fmt.Errorf("cursor %q: want <epoch>-<sequence>", s)
	}
	return Cursor{epoch, n}, nil
}

// in returns the cursor for a stream of this epoch whose last message is last: the same
// cursor, or the beginning of a stream that is another one or has lost its last messages.
func (c Cursor) in(epoch string, last uint64) Cursor {
	if c.Epoch != epoch || last < c.Seq {
		return Cursor{Epoch: epoch}
	}
	return c
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
func (b *Broker) Publish(ctx context.Context, t Topic, site string, data []byte) (Cursor, error) {
	t = b.in(t)
	if from := b.budgetOf(t); from != nil {
		n := t.size(site, data)
		if err := from.Take(site, n); err != nil {
			b.budgets.Report(err)
			return Cursor{}, err
		}
		defer from.Give(site, n) // count counts the message from now on, on all nodes
	}
	return b.PublishOverBudget(ctx, t, site, data)
}

// PublishOverBudget is Publish also if the site has used up its budget, in which the message
// counts. It is for messages that must not be refused and whose number is limited otherwise.
func (b *Broker) PublishOverBudget(ctx context.Context, t Topic, site string, data []byte) (Cursor, error) {
	t = b.in(t)
	return b.publish(ctx, t, t.subject(site), data)
}

// budgetOf returns the budget of the messages of a topic, or nil.
func (b *Broker) budgetOf(t Topic) *budget.Budget {
	switch t.name {
	case Pushes.name:
		return b.budgets.Pushes
	case Revocations.name:
		return b.budgets.Revocations
	}
	return nil
}

// size returns how many bytes NATS stores for a message, at most.
func (t Topic) size(site string, data []byte) int64 {
	return stored(t.subject(site), data)
}

// stored returns how many bytes NATS stores for a message with a subject, at most.
func stored(subject string, data []byte) int64 {
	return int64(budget.MessageOverhead + len(subject) + len(data))
}

// count counts a message of a topic in the budget of its site, for as long as NATS stores it.
func (b *Broker) count(t Topic, m Message) {
	if from := b.budgetOf(t); from != nil {
		n := t.size(m.Site, m.Data)
		from.Add(m.Site, n)
		from.GiveLater(m.Site, n, b.Here(m.Stored))
	}
}

// Replace is Publish for a topic that keeps the last message of each key. NATS removes the
// message at the time until, which it rounds to seconds.
func (b *Broker) Replace(ctx context.Context, t Topic, site, key string, data []byte, until time.Time) error {
	t = b.in(t)
	_, err := b.publish(ctx, t, t.keySubject(site, key), data, jetstream.WithMsgTTL(roundUp(until.Sub(b.Now()))))
	return err
}

// Restore is Replace, but does nothing if the last message of the key is another than the one
// with the sequence number over; 0: if there is one.
func (b *Broker) Restore(ctx context.Context, t Topic, site, key string, data []byte, until time.Time, over uint64) error {
	t = b.in(t)
	_, err := b.publish(ctx, t, t.keySubject(site, key), data,
		jetstream.WithMsgTTL(roundUp(until.Sub(b.Now()))), jetstream.WithExpectLastSequencePerSubject(over))
	if ack.IsWrongRevision(err) {
		return nil
	}
	return err
}

func (b *Broker) publish(ctx context.Context, t Topic, subject string, data []byte, opts ...jetstream.PublishOpt) (Cursor, error) {
	if len(data) > MaxMessage {
		return Cursor{}, fmt.Errorf("%w: %d bytes, at most %d", ErrMessageTooLarge, len(data), MaxMessage)
	}
	if err := b.Ready(); err != nil {
		return Cursor{}, err
	}
	soon, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	pos, err := b.position(soon, t, Cursor{})
	if err != nil {
		return Cursor{}, err
	}
	defer b.makeRoom(ctx, t, pos.link, stored(subject, data))()
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
		return Cursor{}, fmt.Errorf("publishing on NATS: %w", err)
	}
	if ack.Sequence <= pos.Seq { // the stream was lost, and another node has created it again
		if pos, err = b.position(ctx, t, pos.Cursor); err != nil {
			return Cursor{}, err
		}
	}
	b.advance(t, pos.Epoch, ack.Sequence)
	return Cursor{pos.Epoch, ack.Sequence}, nil
}

// position is the cursor of the last message on a topic that this node knows of.
type position struct {
	Cursor
	link *link
}

// position returns this node's position in the stream of a topic, and creates the stream if
// it is missing. It requests the stream from NATS once for each link, and again if it is no
// longer that of stale: a request for every message would delay messages that follow each
// other.
func (b *Broker) position(ctx context.Context, t Topic, stale Cursor) (position, error) {
	l, _ := b.current()
	b.mu.Lock()
	pos := b.positions[t.name]
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
	b.positions[t.name] = pos
	return pos, nil
}

// Last returns the cursor of the last message of a topic that NATS has stored, which this node may not have received
// yet. It asks NATS.
func (b *Broker) Last(ctx context.Context, t Topic) (Cursor, error) {
	if err := b.Ready(); err != nil {
		return Cursor{}, err
	}
	t = b.in(t)
	pos, err := b.position(ctx, t, Cursor{})
	if err != nil {
		return Cursor{}, err
	}
	stream, err := leader.Stream(ctx, pos.link.js, t.stream())
	if err != nil {
		return Cursor{}, err
	}
	return Cursor{pos.Epoch, stream.CachedInfo().State.LastSeq}, nil
}

// advance moves this node's position in a topic forward.
func (b *Broker) advance(t Topic, epoch string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pos := b.positions[t.name]; pos.Epoch == epoch && pos.Seq < seq {
		pos.Seq = seq
		b.positions[t.name] = pos
	}
}

// in returns the topic in the NATS of this node.
func (b *Broker) in(t Topic) Topic {
	t.prefix, t.bytes = b.config.NATS.Prefix, b.config.NATS.AtMost(t.bytes)
	return t
}

// subjects returns the beginning of the subjects of the topic.
func (t Topic) subjects() string { return t.prefix.Subject("heartbeatd." + t.name + ".") }

func (t Topic) subject(site string) string {
	return t.subjects() + presence.EncodeToken(site)
}

func (t Topic) keySubject(site, key string) string {
	return t.subject(site) + "." + presence.EncodeToken(key)
}

func (t Topic) allSubjects() string {
	if t.keyed {
		return t.subjects() + "*.*"
	}
	return t.subjects() + "*"
}

// perSubject returns how many messages of a subject the stream keeps; -1: any number.
func (t Topic) perSubject() int64 {
	if t.keyed {
		return 1
	}
	return -1
}

func (t Topic) site(subject string) (string, bool) {
	token, found := strings.CutPrefix(subject, t.subjects())
	if t.keyed {
		token, _, _ = strings.Cut(token, ".")
	}
	site, ok := presence.DecodeToken(token)
	return site, found && ok
}
