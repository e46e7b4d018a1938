package broker

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// hears waits until a broker that subscribes now has received revocations, and returns the cursor of the last one.
func hears(t *testing.T, b *Broker, want ...string) topic.Cursor {
	t.Helper()
	var r topicRecorder
	b.Subscribe(topic.Revocations, nil, r.add)
	eventually(t, "the revocations", func() bool { return slices.Equal(r.data(), want) })
	return r.last()
}

func revoke(t *testing.T, b *Broker, data string) topic.Cursor {
	t.Helper()
	at, err := b.Publish(t.Context(), topic.Revocations, "s", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestRevocationsSurviveRestart restarts NATS with its store: a node that starts later receives the
// revocations of before.
func TestRevocationsSurviveRestart(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		c := Config{StateDir: t.TempDir()}
		b := open(t, c)
		at := revoke(t, b, "x")
		var refused *StateDirError
		if _, err := Open(t.Context(), c); !errors.As(err, &refused) {
			t.Errorf("a second process with the same state folder: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if got := hears(t, open(t, c), "s x"); got != at {
			t.Errorf("the cursor is %v, and was %v", got, at)
		}
	})
	t.Run("external", func(t *testing.T) {
		server := startNATS(t)
		b := open(t, Config{URL: server.url()})
		revoke(t, b, "x")
		server.stop()
		waitReady(t, b, false)
		server.start()
		waitReady(t, b, true)
		revoke(t, b, "y")
		hears(t, open(t, Config{URL: server.url()}), "s x", "s y")
	})
}

// TestNoFileStorage checks that revocations are published on a NATS without room for files.
func TestNoFileStorage(t *testing.T) {
	server := startNATS(t)
	server.stop()
	server.opts.JetStreamMaxStore = 100 << 10
	server.start()
	var logged errorLog
	b := open(t, Config{URL: server.url(), Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	revoke(t, b, "x")
	hears(t, b, "s x")
	if text := logged.String(); strings.Count(text, "allow 64 MiB of file storage") != 1 {
		t.Errorf("logged: %s", text)
	}
}

// TestOlderRevocations checks that a stream in memory, which an older version has created, is moved to
// a file, by one of several nodes that start at once, and that the nodes know that it was.
func TestOlderRevocations(t *testing.T) {
	for _, prefix := range []bucket.Prefix{"", "staging"} {
		t.Run("prefix "+string(prefix), func(t *testing.T) {
			url := startNATS(t).url()
			moveOlderRevocations(t, must(jetstream.New(connect(t, url))), Config{URL: url, NATS: external.NATS{Prefix: prefix}})
		})
	}
}

func moveOlderRevocations(t *testing.T, js jetstream.JetStream, c Config) {
	t.Helper()
	kind := (&Broker{config: c}).in(topic.Revocations)
	old := jetstream.StreamConfig{
		Name: kind.Stream(), Subjects: []string{kind.AllSubjects()}, Storage: jetstream.MemoryStorage, MaxBytes: topic.Revocations.Bytes, MaxAge: topic.Revocations.Age,
	}
	if _, err := js.CreateStream(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	one, two := open(t, c), open(t, c)
	revoke(t, one, "before")
	at := hears(t, one, "s before")
	isOther := func(b *Broker, seen uint64) bool {
		l, _ := b.current()
		c := &consumption{topic: kind, link: l, epoch: at.Epoch}
		c.seen.Store(seen)
		return b.isOther(c, false)
	}
	if isOther(one, at.Seq-1) {
		t.Error("the stream is moved before the node has read it")
	}
	var checks sync.WaitGroup
	for _, b := range []*Broker{one, two} {
		checks.Go(func() { isOther(b, at.Seq) })
	}
	checks.Wait()
	for _, b := range []*Broker{one, two} { // one that was disturbed by the other knows it with its next check
		eventually(t, "that the stream was moved", func() bool { return isOther(b, at.Seq) })
	}
	after := revoke(t, two, "after")
	if after.Epoch == at.Epoch {
		t.Errorf("the cursor is %v, and was %v", after, at)
	}
	stream, err := js.Stream(t.Context(), kind.Stream())
	if err != nil || stream.CachedInfo().Config.Storage != jetstream.FileStorage {
		t.Errorf("%+v %v", stream.CachedInfo().Config, err)
	}
	if _, err := js.Stream(t.Context(), kind.Stream()+"_file"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream that tried the file: %v", err)
	}
}
