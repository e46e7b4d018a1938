package broker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// TestReplace checks that a topic keeps the last message of each key, also for nodes that
// subscribe later.
func TestReplace(t *testing.T) {
	b := open(t, Config{})
	var early, late topicRecorder
	b.Subscribe(topic.Deposits, nil, early.add)
	for _, m := range []struct{ site, key, data string }{{"a.b", "k", "1"}, {"a.b", "k", "2"}, {"a.b", "l", "3"}, {"c", "k", "4"}} {
		if err := b.Replace(t.Context(), topic.Deposits, m.site, m.key, []byte(m.data), inAnHour()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"a.b 2", "a.b 3", "c 4"} // the first message may be replaced before it is received
	eventually(t, "all messages", func() bool {
		got := early.data()
		return len(got) >= len(want) && slices.Equal(got[len(got)-len(want):], want)
	})
	b.Subscribe(topic.Deposits, nil, late.add)
	eventually(t, "the last message of each key", func() bool { return slices.Equal(late.data(), want) })
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// TestRestore checks that Restore writes a message only if its key has none, or has the one that
// it is to replace.
func TestRestore(t *testing.T) {
	b := open(t, Config{})
	var received topicRecorder
	b.Subscribe(topic.Deposits, nil, received.add)
	has := func(want ...string) {
		t.Helper()
		eventually(t, strings.Join(want, ", "), func() bool { return slices.Equal(received.data(), want) })
	}
	restore := func(data string, over uint64) {
		t.Helper()
		if err := b.Restore(t.Context(), topic.Deposits, "s", "k", []byte(data), inAnHour(), over); err != nil {
			t.Fatal(err)
		}
	}
	restore("old", 0)
	restore("older", 0)
	has("s old")
	if err := b.Replace(t.Context(), topic.Deposits, "s", "k", []byte("new"), inAnHour()); err != nil {
		t.Fatal(err)
	}
	has("s old", "s new")
	last := received.last().Seq
	restore("over another", last-1)
	restore("over", last)
	has("s old", "s new", "s over")
}

// TestMessageExpires checks that NATS removes a message at its time, and keeps the others. A
// stream that an older version has created allows it from now on.
func TestMessageExpires(t *testing.T) {
	b := open(t, Config{})
	l, _ := b.current()
	if _, err := l.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "heartbeatd_deposit", Subjects: []string{topic.Deposits.AllSubjects()}, Storage: jetstream.MemoryStorage, MaxMsgsPerSubject: 1,
	}); err != nil {
		t.Fatal(err)
	}
	for key, until := range map[string]time.Time{"short": time.Now().Add(time.Second), "long": inAnHour()} {
		if err := b.Replace(t.Context(), topic.Deposits, "s", key, []byte(key), until); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the end of a message", func() bool {
		stream, err := l.js.Stream(t.Context(), "heartbeatd_deposit")
		return err == nil && stream.CachedInfo().State.Msgs == 2 // with the epoch
	})
	var received topicRecorder
	b.Subscribe(topic.Deposits, nil, received.add)
	eventually(t, "the other message", func() bool { return slices.Equal(received.data(), []string{"s long"}) })
}
