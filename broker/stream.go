package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/streamsize"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// firstBytes is the limit of the bytes of a new stream.
const firstBytes int64 = 3 * MaxMessage

// sizeOf returns the size of a topic's stream. The lock is held.
func (b *Broker) sizeOf(t topic.Topic) *streamsize.Size {
	if b.sizes[t.Name] == nil {
		b.sizes[t.Name] = streamsize.New()
	}
	return b.sizes[t.Name]
}

// makeRoom makes the stream of a topic larger if a message of n bytes needs it. The function that it returns is to be
// called after the message.
func (b *Broker) makeRoom(ctx context.Context, t topic.Topic, l *link, n int64) (stored func()) {
	b.mu.Lock()
	size := b.sizeOf(t)
	b.mu.Unlock()
	// Others need the room, too, if the caller does not wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishWait)
	defer cancel()
	task := "grow." + t.Name
	err := size.MakeRoom(ctx, streamsize.Stream{
		JS: l.js, Name: t.Stream(), Max: t.Bytes,
		Lease: func(ctx context.Context) (bool, error) { return l.leases.Take(ctx, task, streamsize.GrowTime) },
		End: func() {
			ctx, cancel := context.WithTimeout(b.ctx, publishWait)
			defer cancel()
			l.leases.End(ctx, task, streamsize.GrowTime)
		},
	}, n)
	if err != nil {
		b.logLimited("a NATS stream cannot be made larger: the oldest messages are removed earlier", "stream", t.Stream(), "error", err)
	}
	return func() { size.Stored(n) }
}

// stream returns the stream of a topic, and the cursor of its last message. It creates the stream if it is missing,
// and writes the epoch again if again is set.
func (b *Broker) stream(ctx context.Context, t topic.Topic, l *link, again bool) (jetstream.Stream, topic.Cursor, error) {
	stream, err := b.openStream(ctx, t, l)
	var tip topic.Cursor
	if err == nil {
		tip.Epoch, err = b.epochOf(ctx, t, l, stream, again)
	}
	if err == nil { // after the epoch: if the stream is lost meanwhile, the number is lower than that of the node's last message
		stream, err = leader.Stream(ctx, l.js, t.Stream())
	}
	b.noteTopic(t, err)
	if err != nil {
		return nil, topic.Cursor{}, fmt.Errorf("stream of topic %s: %w", t.Name, err)
	}
	b.mu.Lock()
	b.sizeOf(t).Note(stream.CachedInfo())
	b.mu.Unlock()
	tip.Seq = stream.CachedInfo().State.LastSeq
	return stream, tip, nil
}

// openStream returns the stream of a topic, and creates it if it is missing.
func (b *Broker) openStream(ctx context.Context, t topic.Topic, l *link) (jetstream.Stream, error) {
	stream, err := leader.Stream(ctx, l.js, t.Stream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.createStream(ctx, t, l)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node has created it
			stream, err = leader.Stream(ctx, l.js, t.Stream())
		}
	}
	if err != nil {
		return nil, err
	}
	return b.updated(ctx, t, l, stream)
}

func (b *Broker) createStream(ctx context.Context, t topic.Topic, l *link) (jetstream.Stream, error) {
	config := jetstream.StreamConfig{
		Name: t.Stream(), Description: "messages between the nodes of heartbeatd",
		Subjects: []string{t.AllSubjects()}, Storage: jetstream.MemoryStorage, Replicas: b.config.NATS.ReplicasOn(l.nc), Placement: b.config.NATS.Placement(),
		MaxAge: t.Age, MaxBytes: firstBytes, MaxMsgSize: MaxMessage + headerRoom, MaxMsgsPerSubject: t.PerSubject(),
		AllowMsgTTL: t.Keyed,
	}
	if !b.storesFile(t) {
		return create(ctx, l, config)
	}
	inFile := config
	inFile.Storage = jetstream.FileStorage
	stream, err := create(ctx, l, inFile)
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return stream, err
	}
	stream, inMemory := create(ctx, l, config)
	if inMemory == nil {
		b.warnNoFile(t, err)
	}
	return stream, inMemory
}

// create creates a stream. It does nothing if there is one with this configuration.
func create(ctx context.Context, l *link, config jetstream.StreamConfig) (jetstream.Stream, error) {
	return leader.Ask(ctx, func(ctx context.Context) (jetstream.Stream, error) { return l.js.CreateStream(ctx, config) })
}

// storesFile reports whether the stream of a topic is to be in a file.
func (b *Broker) storesFile(t topic.Topic) bool {
	return t.File && (b.server == nil || b.config.StateDir != "")
}

// warnNoFile logs once that a stream is in memory.
func (b *Broker) warnNoFile(t topic.Topic, err error) {
	if _, warned := b.noFile.LoadOrStore(t.Name, true); !warned {
		b.log.Warn("a NATS stream is in memory and does not survive a restart of all NATS servers: "+
			fmt.Sprintf("allow %d MiB of file storage (max_file)", t.Bytes>>20), "stream", t.Stream(), "error", err)
	}
}

// moveToFile removes a stream in memory that an older version has created, or this one while NATS had no file for it, and
// reports whether it did: then it is created again, in a file. The nodes publish again what they have received. A
// node of an older version uses the new stream as it is.
func (b *Broker) moveToFile(ctx context.Context, t topic.Topic, l *link, stream jetstream.Stream) bool {
	if stream.CachedInfo().Config.Storage != jetstream.MemoryStorage || !b.storesFile(t) {
		return false
	}
	probe := jetstream.StreamConfig{
		Name: t.Stream() + "_file", Description: "whether NATS has a file for " + t.Stream(), Subjects: []string{t.Prefix.Subject("heartbeatd." + t.Name + "_file")},
		Storage: jetstream.FileStorage, Replicas: b.config.NATS.ReplicasOn(l.nc), Placement: b.config.NATS.Placement(), MaxBytes: firstBytes,
	}
	if _, err := l.js.CreateStream(ctx, probe); err != nil {
		b.warnNoFile(t, err)
		return false
	}
	if err := l.js.DeleteStream(ctx, probe.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return false
	}
	now, err := leader.Stream(ctx, l.js, t.Stream()) // another node may have replaced it
	if err == nil && now.CachedInfo().Config.Storage == jetstream.MemoryStorage {
		err = l.js.DeleteStream(ctx, t.Stream())
	}
	b.log.Info("a NATS stream is moved from memory to a file", "stream", t.Stream(), "error", err)
	return true
}

// updated updates a stream that an older version has created: it may keep messages for a shorter time.
// If NATS refuses that, it is used as it is: then NATS removes the oldest messages earlier.
func (b *Broker) updated(ctx context.Context, t topic.Topic, l *link, stream jetstream.Stream) (jetstream.Stream, error) {
	config := stream.CachedInfo().Config
	if t.Keyed && !config.AllowMsgTTL {
		config.AllowMsgTTL = true
		var err error
		if stream, err = streamsize.Update(ctx, l.js, config); err != nil {
			return nil, err
		}
	}
	if config.MaxAge <= 0 || config.MaxAge >= t.Age {
		return stream, nil
	}
	config.MaxAge = t.Age
	longer, err := streamsize.Update(ctx, l.js, config)
	if err == nil {
		return longer, nil
	}
	if _, warned := b.tooSmall.LoadOrStore(t.Name, true); !warned {
		b.log.Warn("a NATS stream cannot keep messages for longer: allow $JS.API.STREAM.UPDATE."+t.Stream(), "stream", t.Stream(), "error", err)
	}
	return stream, nil
}
