package broker

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// topicRecorder records the messages of a topic.
type topicRecorder struct {
	mu       sync.Mutex
	messages []Message
}

func (r *topicRecorder) add(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
}

func (r *topicRecorder) data() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		if m.Data == nil { // the epoch of the stream
			continue
		}
		list = append(list, m.Site+" "+string(m.Data))
	}
	return list
}

func TestTopics(t *testing.T) {
	b := open(t, Config{})
	var early, late, other topicRecorder
	b.Subscribe(topic.Pushes, nil, early.add)
	b.Subscribe(topic.Revocations, nil, other.add)
	var want []string
	for i := range 20 {
		site := fmt.Sprintf("site.%d", i%2)
		c, err := b.Publish(t.Context(), topic.Pushes, site, fmt.Appendf(nil, "message %d", i))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := topic.ParseCursor(c.String()); err != nil || back != c || c.Seq != uint64(i+2) {
			t.Errorf("message %d has the cursor %v, parsed as %v, %v", i, c, back, err)
		}
		want = append(want, fmt.Sprintf("%s message %d", site, i))
	}
	b.Subscribe(topic.Pushes, nil, late.add) // receives the stored messages too
	eventually(t, "all messages", func() bool { return slices.Equal(early.data(), want) && slices.Equal(late.data(), want) })
	if got := other.data(); len(got) != 0 {
		t.Errorf("messages of another topic: %v", got)
	}
	if _, err := b.Publish(t.Context(), topic.Pushes, "x", make([]byte, MaxMessage+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("Publish of a message that is too large: %v", err)
	}
}

func TestParseCursor(t *testing.T) {
	for _, bad := range []string{"", "-", "a", "-1", "a-", "a-x", "a--1"} {
		t.Run(bad, func(t *testing.T) {
			if c, err := topic.ParseCursor(bad); err == nil {
				t.Errorf("parsed as %v", c)
			}
		})
	}
}

// TestTopicAfterNATSRestart checks that a subscription continues when NATS has lost the
// stream, and that the new stream has another epoch.
func TestTopicAfterNATSRestart(t *testing.T) {
	server := startNATS(t)
	b := open(t, Config{URL: server.url()})
	var received topicRecorder
	b.Subscribe(topic.Pushes, nil, received.add)
	first, err := b.Publish(t.Context(), topic.Pushes, "s", []byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first message", func() bool { return len(received.data()) == 1 })
	server.stop()
	eventually(t, "an error of Publish", func() bool {
		_, err := b.Publish(t.Context(), topic.Pushes, "s", []byte("lost"))
		return err != nil
	})
	server.start()
	var second topic.Cursor
	eventually(t, "Publish without an error", func() bool {
		second, err = b.Publish(t.Context(), topic.Pushes, "s", []byte("after"))
		return err == nil
	})
	eventually(t, "the message after the restart", func() bool { return slices.Contains(received.data(), "s after") })
	if first.Epoch == second.Epoch {
		t.Errorf("both streams have the epoch %s", first.Epoch)
	}
}

// TestTopicAfterStreamWasDeleted checks that the next Publish creates a deleted stream
// again, with another epoch, and that other nodes use it.
func TestTopicAfterStreamWasDeleted(t *testing.T) {
	server := startNATS(t)
	one, two := open(t, Config{URL: server.url()}), open(t, Config{URL: server.url()})
	publish := func(b *Broker) topic.Cursor {
		t.Helper()
		c, err := b.Publish(t.Context(), topic.Pushes, "s", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	publish(one)
	publish(one)
	first := publish(two)
	l, _ := one.current()
	if err := l.js.DeleteStream(t.Context(), "heartbeatd_push"); err != nil {
		t.Fatal(err)
	}
	second, third := publish(one), publish(two)
	if second.Epoch == first.Epoch || second.Seq != 2 || third.Epoch != second.Epoch || third.Seq != 3 {
		t.Errorf("cursors before the deletion: %v, after it: %v and %v", first, second, third)
	}
}

// TestSubscribedCursor checks the cursor that Subscribe reports at first, after a message
// and after NATS has lost the stream.
func TestSubscribedCursor(t *testing.T) {
	server := startNATS(t)
	b := open(t, Config{URL: server.url()})
	var mu sync.Mutex
	var cursors []topic.Cursor
	subscribe := func() {
		b.Subscribe(topic.Pushes, func(_ uint64, c topic.Cursor) {
			mu.Lock()
			defer mu.Unlock()
			cursors = append(cursors, c)
		}, func(Message) {})
	}
	reported := func(n int) []topic.Cursor {
		t.Helper()
		eventually(t, fmt.Sprint(n, " calls of subscribed"), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(cursors) >= n
		})
		mu.Lock()
		defer mu.Unlock()
		return cursors[:n]
	}
	subscribe()
	if got := reported(1)[0]; got.Epoch == "" || got.Seq != 1 {
		t.Errorf("cursor of an empty stream: %v", got)
	}
	published, err := b.Publish(t.Context(), topic.Pushes, "s", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	subscribe()
	if got := reported(2)[1]; got != published {
		t.Errorf("cursor after a message: %v, want %v", got, published)
	}
	server.stop()
	waitReady(t, b, false)
	server.start()
	for _, got := range reported(4)[2:] {
		if got.Epoch == published.Epoch || got.Seq != 1 {
			t.Errorf("cursor after the restart: %v, before it: %v", got, published)
		}
	}
}

func TestCursorInAnotherStream(t *testing.T) {
	for _, c := range []struct {
		at    topic.Cursor
		epoch string
		last  uint64
		want  topic.Cursor
	}{
		{topic.Cursor{}, "a", 7, topic.Cursor{Epoch: "a", Seq: 0}},
		{topic.Cursor{Epoch: "a", Seq: 5}, "a", 7, topic.Cursor{Epoch: "a", Seq: 5}},
		{topic.Cursor{Epoch: "a", Seq: 5}, "a", 5, topic.Cursor{Epoch: "a", Seq: 5}},
		{topic.Cursor{Epoch: "a", Seq: 5}, "b", 7, topic.Cursor{Epoch: "b", Seq: 0}},
		{topic.Cursor{Epoch: "a", Seq: 5}, "a", 4, topic.Cursor{Epoch: "a", Seq: 0}}, // the file of the stream was not written to the end
	} {
		t.Run(fmt.Sprintf("%v in %s-%d", c.at, c.epoch, c.last), func(t *testing.T) {
			if got := c.at.In(c.epoch, c.last); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
