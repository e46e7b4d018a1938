// Package bucket reads presence from NATS: the key-value bucket to which the nodes write,
// and what is published of it. It does not link the embedded NATS server.
//
// # For observers
//
// What a node writes is in the JetStream key-value bucket "presence" (stream
// KV_presence, in memory), under presence.Key.String, as the JSON of presence.Stored.
// Everything that happens in the bucket is published again below "presence.":
//
//	presence.default.admin.online.user-1.x7f
//
// A site is presence.default.>, a room presence.default.admin.online.*.*;
// presence.ParseSubject reads such a subject. The headers say what happened:
//
//	Nats-Last-Sequence: 0          the key is new; otherwise it was written again
//	KV-Operation: PURGE            the page left
//	KV-Operation: DEL              it was removed by name
//	Nats-Marker-Reason: MaxAge     nobody renewed it
//	Nats-Sequence                  the revision, rising with every write
//
// With a prefix (--nats-prefix) these names begin with it: see Prefix.
//
// Observe folds the keys to people in rooms, and continues after a restart of NATS. The
// permission to subscribe to presence.>, or to presence.<site>.>, is enough:
// broker.Config.Observers are such users of the embedded NATS. Such an observer learns
// within a third of the TTL who is present, when their entries are renewed.
//
// To learn it at once, an observer of an external NATS needs more permissions: to
// subscribe to an inbox prefix of its own (nats.CustomInboxPrefix; with _INBOX.> it could
// read the answers to other clients), and to publish to
//
//	$JS.API.INFO
//	$JS.API.STREAM.INFO.KV_presence
//	$JS.API.CONSUMER.CREATE.KV_presence.>
//	$JS.API.CONSUMER.DELETE.KV_presence.>
//	$JS.FC.KV_presence.>
//
// Give them to trusted services only: they show all sites, and a consumer can be made to
// deliver to any subject.
package bucket

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Name is the name of the bucket.
	Name = "presence"

	// Stream is the name of the bucket's stream without a prefix.
	Stream = "KV_" + Name

	// OperationHeader is the header of a message that deletes a key.
	OperationHeader = "KV-Operation"
)

// Prefix is a name before those of the bucket, its stream and its subjects, so that one NATS account
// can have several: with the prefix staging, the bucket staging_presence and the subjects
// staging.presence.>. It may be empty.
type Prefix string

// Name returns a name of a bucket or of a stream with the prefix.
func (p Prefix) Name(name string) string {
	if p == "" {
		return name
	}
	return string(p) + "_" + name
}

// Stream returns the name of the bucket's stream.
func (p Prefix) Stream() string { return "KV_" + p.Name(Name) }

// Subject returns a subject with the prefix.
func (p Prefix) Subject(subject string) string {
	if p == "" {
		return subject
	}
	return string(p) + "." + subject
}

// JetStream returns the JetStream of a domain; empty: that of the server.
func JetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain != "" {
		return jetstream.NewWithDomain(nc, domain)
	}
	return jetstream.New(nc)
}

const (
	retryWait = time.Second
	bindWait  = 5 * time.Second // for NATS to answer about the bucket
)

// IsOther reports whether info is of another bucket than the one that was created at that
// time and had the revision seen. A cluster recreates a lost memory stream with its old
// creation time, so the time alone is not enough.
func IsOther(info *jetstream.StreamInfo, created time.Time, seen uint64) bool {
	return !info.Created.Equal(created) || info.State.LastSeq < seen
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// End returns when a message of the bucket ends, by the clock of NATS. ttl is that of messages without their own.
func End(msg *jetstream.RawStreamMsg, ttl time.Duration) time.Time {
	if own, err := time.ParseDuration(msg.Header.Get(jetstream.MsgTTLHeader)); err == nil {
		ttl = own
	}
	return msg.Time.Add(ttl)
}
