package broker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// TestTopicsAfterClusterRestart restarts all servers of a cluster with their stores, which creates
// the streams in memory again with their old creation times. Every node receives what is published then, also
// if it starts later, and all nodes have the same epoch, which is not that of the streams before.
func TestTopicsAfterClusterRestart(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	urls := fmt.Sprintf("%s,%s,%s", servers[0].url(), servers[1].url(), servers[2].url())
	publisher, listener := open(t, Config{URL: urls}), open(t, Config{URL: urls})
	var heard, early topicRecorder
	publisher.Subscribe(topic.Pushes, nil, early.add)
	listener.Subscribe(topic.Pushes, nil, heard.add)
	publish := func(data string) (at topic.Cursor) {
		t.Helper()
		eventually(t, "Publish without an error", func() bool {
			var err error
			at, err = publisher.Publish(t.Context(), topic.Pushes, "s", []byte(data))
			return err == nil
		})
		return at
	}
	var old topic.Cursor
	for i := range 5 {
		old = publish(fmt.Sprint("old ", i))
	}
	eventually(t, "the old messages", func() bool { return slices.Contains(heard.data(), "s old 4") })
	for _, s := range servers {
		s.stop()
	}
	eventually(t, "that NATS is gone", func() bool { return publisher.Ready() != nil && listener.Ready() != nil })
	for _, s := range servers {
		s.start()
	}
	first := publish("new 0")
	last := first
	for i := range 20 {
		last = publish(fmt.Sprint("new ", i+1))
	}
	later := open(t, Config{URL: urls})
	var late topicRecorder
	later.Subscribe(topic.Pushes, nil, late.add)
	for name, r := range map[string]*topicRecorder{"the publisher": &early, "the listener": &heard, "a node that starts later": &late} {
		eventually(t, "the new messages on "+name, func() bool {
			return slices.Contains(r.data(), "s new 0") && slices.Contains(r.data(), "s new 20")
		})
		if got := r.last(); got != last {
			t.Errorf("%s has the cursor %v, and the publisher %v", name, got, last)
		}
	}
	if last.Epoch == old.Epoch || first.Epoch != last.Epoch {
		t.Errorf("the cursors are %v before, and %v to %v after the restart", old, first, last)
	}
}

// last returns the cursor of the last message.
func (r *topicRecorder) last() topic.Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages[len(r.messages)-1].Cursor
}

// TestEpochIsWrittenAgain checks that the epoch of a stream stays when NATS removes messages because of
// their age.
func TestEpochIsWrittenAgain(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	l, _ := b.current()
	kind := topic.Topic{Name: "test", Age: 10 * time.Second, Bytes: 1 << 20}
	var first topic.Cursor
	eventually(t, "the epoch is written again", func() bool {
		_, tip, err := b.stream(t.Context(), kind, l, false)
		if err != nil {
			t.Fatal(err)
		}
		if first.Epoch == "" {
			first = tip
		}
		if tip.Epoch != first.Epoch {
			t.Fatalf("the epoch has changed from %v to %v", first, tip)
		}
		return tip.Seq > first.Seq
	})
}
