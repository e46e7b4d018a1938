// Package topic names the kinds of messages between nodes: the streams and subjects of NATS that they have, and
// positions in them.
package topic

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Topic is a kind of message between nodes. Each is a JetStream stream with the
// subjects heartbeatd.<name>.<site>, or heartbeatd.<name>.<site>.<key> if it keeps the last
// message of each key.
type Topic struct {
	Name  string
	Age   time.Duration // how long a message is kept for nodes that start later
	Bytes int64         // the limit of the stream; the oldest messages are dropped first
	Keyed bool          // a message replaces the last one with its key
	File  bool          // in a file, where NATS has one, and not in memory

	Prefix bucket.Prefix // of this installation
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
	Pushes      = Topic{Name: "push", Age: PushAge, Bytes: budget.StreamBytes}
	Revocations = Topic{Name: "revoke", Age: budget.RevocationAge, Bytes: budget.StreamBytes, File: true}
	Deposits    = Topic{Name: "deposit", Age: DepositAge, Bytes: DepositBytes, Keyed: true}
)

// Cursor is a position in a topic's stream, written <epoch>-<sequence>. The epoch, the same on all nodes,
// changes when NATS loses the stream, which is created again, or the stream's last messages.
type Cursor struct {
	Epoch string
	Seq   uint64
}

// String implements fmt.Stringer.
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

// In returns the cursor for a stream of this epoch whose last message is last: the same
// cursor, or the beginning of a stream that is another one or has lost its last messages.
func (c Cursor) In(epoch string, last uint64) Cursor {
	if c.Epoch != epoch || last < c.Seq {
		return Cursor{Epoch: epoch}
	}
	return c
}

// epochToken stands for a site in the subject of a stream's epoch. It is the encoding of no site.
const epochToken = "=epoch"

// Size returns how many bytes NATS stores for a message, at most.
func (t Topic) Size(site string, data []byte) int64 {
	return Stored(t.Subject(site), data)
}

// Stored returns how many bytes NATS stores for a message with a subject, at most.
func Stored(subject string, data []byte) int64 {
	return int64(budget.MessageOverhead + len(subject) + len(data))
}

// Subjects returns the beginning of the subjects of the topic.
func (t Topic) Subjects() string { return t.Prefix.Subject("heartbeatd." + t.Name + ".") }

// Subject returns the subject of the messages of a site.
func (t Topic) Subject(site string) string {
	return t.Subjects() + presence.EncodeToken(site)
}

// KeySubject returns the subject of the messages of a site with a key.
func (t Topic) KeySubject(site, key string) string {
	return t.Subject(site) + "." + presence.EncodeToken(key)
}

// AllSubjects returns the pattern of all subjects of the topic.
func (t Topic) AllSubjects() string {
	if t.Keyed {
		return t.Subjects() + "*.*"
	}
	return t.Subjects() + "*"
}

// PerSubject returns how many messages of a subject the stream keeps; -1: any number.
func (t Topic) PerSubject() int64 {
	if t.Keyed {
		return 1
	}
	return -1
}

// Site returns the site that a subject names.
func (t Topic) Site(subject string) (string, bool) {
	token, found := strings.CutPrefix(subject, t.Subjects())
	if t.Keyed {
		token, _, _ = strings.Cut(token, ".")
	}
	site, ok := presence.DecodeToken(token)
	return site, found && ok
}

// Stream returns the name of the topic's stream.
func (t Topic) Stream() string { return t.Prefix.Name("heartbeatd_" + t.Name) }

// EpochSubject returns the subject of the epoch of the stream.
func (t Topic) EpochSubject() string {
	subject := t.Subjects() + epochToken
	if t.Keyed {
		subject += "." + epochToken
	}
	return subject
}
