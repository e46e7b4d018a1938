package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// openSmall opens a broker that reads all topics, on a NATS server with so much memory.
func openSmall(t *testing.T, memory int64) (*natsServer, *Broker) {
	t.Helper()
	s := startNATSWithMemory(t, memory)
	b := open(t, Config{URL: s.url()})
	for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations, topic.Deposits} {
		b.Subscribe(kind, nil, func(Message) {})
	}
	return s, b
}

func startNATSWithMemory(t *testing.T, memory int64) *natsServer {
	t.Helper()
	s := startNATS(t)
	s.stop()
	s.opts.JetStreamMaxMemory = memory
	s.start()
	return s
}

// storedIn returns the state of a topic's stream.
func storedIn(t *testing.T, s *natsServer, kind topic.Topic) *jetstream.StreamInfo {
	t.Helper()
	js, err := jetstream.New(connect(t, s.url()))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), kind.Stream())
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo()
}

// TestSmallNATS checks that everything works on a NATS server with little memory, and that presence
// works while there is no room for more pushes.
func TestSmallNATS(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{64 << 20, 16 << 20, 2 << 20} {
		t.Run(fmt.Sprint(memory>>20, " MiB"), func(t *testing.T) {
			t.Parallel()
			s, b := openSmall(t, memory)
			for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations} {
				if _, err := b.Publish(t.Context(), kind, "site", []byte("{}")); err != nil {
					t.Errorf("%s: %v", kind.Name, err)
				}
			}
			if err := b.Replace(t.Context(), topic.Deposits, "site", "key", []byte("{}"), inAnHour()); err != nil {
				t.Errorf("a deposit: %v", err)
			}
			if first, err := b.Lease(t.Context(), "site", patience); err != nil || !first {
				t.Errorf("a lease: %v, %v", first, err)
			}
			waitProblems(t, b, "")
			fill(t, b, topic.Pushes, memory)
			if state := storedIn(t, s, topic.Pushes).State; int64(state.Bytes) > memory/2 {
				t.Errorf("pushes have %d bytes", state.Bytes)
			}
			waitProblems(t, b, "pushes")
			_, changes := watch(t, b, "site")
			b.Hold(page("r", "user-1", "a"), at(1, "x"))
			eventually(t, "presence", func() bool { return changes.count(presence.Joined, "user-1") == 1 })
			if _, err := b.Publish(t.Context(), topic.Revocations, "site", []byte("{}")); err != nil {
				t.Errorf("a revocation: %v", err)
			}
		})
	}
}

// fill publishes as many bytes, also over the budget. It publishes a message again that NATS has not
// stored in time, as on a busy machine.
func fill(t *testing.T, b *Broker, kind topic.Topic, size int64) {
	t.Helper()
	data := bytes.Repeat([]byte("x"), MaxMessage)
	for n := int64(0); n < size; {
		_, err := b.PublishOverBudget(t.Context(), kind, "site", data)
		if err == nil {
			n += MaxMessage
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
			return
		}
	}
}

// TestStreamGrows checks that a stream reserves little memory at first, and grows before it has to
// remove messages.
func TestStreamGrows(t *testing.T) {
	t.Parallel()
	s, b := openSmall(t, 0)
	kind := topic.Pushes
	kind.Bytes = 4 << 20
	if _, err := b.Publish(t.Context(), kind, "site", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if info := storedIn(t, s, kind); info.Config.MaxBytes != firstBytes {
		t.Errorf("an empty stream reserves %d bytes", info.Config.MaxBytes)
	}
	fill(t, b, kind, 3<<20)
	if info := storedIn(t, s, kind); info.State.FirstSeq != 1 || info.State.Bytes < 3<<20 {
		t.Errorf("the first message is %d, of %d bytes and at most %d", info.State.FirstSeq, info.State.Bytes, info.Config.MaxBytes)
	}
	fill(t, b, kind, 3<<20)
	if info := storedIn(t, s, kind); info.Config.MaxBytes != kind.Bytes {
		t.Errorf("the limit is %d bytes", info.Config.MaxBytes)
	}
	waitProblems(t, b, "")
}

// TestNodesGrowStream checks that NATS reserves as much memory as the streams may have after several nodes
// have made one larger: it counts wrongly if they do so at the same time.
func TestNodesGrowStream(t *testing.T) {
	t.Parallel()
	s, one := openSmall(t, 1<<50)
	kind := topic.Pushes
	kind.Bytes = 1 << 45
	if _, err := one.Publish(t.Context(), topic.Pushes, "site", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	nodes := []*Broker{one, open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()})}
	var growing sync.WaitGroup
	for _, b := range nodes {
		l, _ := b.current()
		growing.Go(func() {
			for range 20 {
				b.makeRoom(t.Context(), kind, l, kind.Bytes)()
			}
		})
	}
	growing.Wait()
	if limit := storedIn(t, s, topic.Pushes).Config.MaxBytes; limit < 1<<20 {
		t.Errorf("the limit is %d bytes", limit)
	}
	var want int64
	for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations, topic.Deposits} {
		if config := storedIn(t, s, kind).Config; config.Storage == jetstream.MemoryStorage {
			want += config.MaxBytes
		}
	}
	usage, err := s.srv.Jsz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if usage.ReservedMemory != uint64(want) {
		t.Errorf("%d bytes are reserved, want %d", usage.ReservedMemory, want)
	}
	waitProblems(t, one, "")
}

// TestNodesFillNewStream checks that NATS removes no message when several nodes fill a new stream at the same
// time. It does not run beside other tests. On a busy machine NATS may nevertheless not make a stream larger in
// time: then they fill another one.
func TestNodesFillNewStream(t *testing.T) {
	s, one := openSmall(t, 0)
	nodes := []*Broker{one, open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()})}
	for try := range 10 {
		kind := topic.Pushes
		kind.Name, kind.Bytes = fmt.Sprint("test", try), 16<<20
		var senders sync.WaitGroup
		for i := range 9 {
			senders.Go(func() { fill(t, nodes[i%3], kind, 2*MaxMessage) })
		}
		senders.Wait()
		if slices.ContainsFunc(nodes, func(b *Broker) bool {
			_, err := b.sizeOf(kind).Refused(time.Hour)
			return errors.Is(err, context.DeadlineExceeded)
		}) {
			continue
		}
		if info := storedIn(t, s, kind); info.State.FirstSeq != 1 {
			t.Errorf("the first message is %d, of %d bytes and at most %d", info.State.FirstSeq, info.State.Bytes, info.Config.MaxBytes)
		}
		return
	}
	t.Fatal("NATS has made none of ten streams larger in time")
}

// TestGrowthOutlivesCaller checks that a stream is made larger also if the caller does not wait.
func TestGrowthOutlivesCaller(t *testing.T) {
	t.Parallel()
	s, b := openSmall(t, 0)
	if _, err := b.Publish(t.Context(), topic.Pushes, "site", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	l, _ := b.current()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b.makeRoom(gone, topic.Pushes, l, firstBytes)()
	if limit := storedIn(t, s, topic.Pushes).Config.MaxBytes; limit <= firstBytes {
		t.Errorf("the limit is %d bytes", limit)
	}
}

// TestEpochOfFullStream checks that a stream that cannot grow keeps its epoch while it removes messages:
// otherwise pages that reconnect ask for everything again.
func TestEpochOfFullStream(t *testing.T) {
	t.Parallel()
	const maxBytes = 1 << 20
	for name, memory := range map[string]int64{"NATS has no room": 2 << 20, "the largest size": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startNATSWithMemory(t, memory)
			kind := topic.Topic{Name: "test", Age: topic.PushAge, Bytes: maxBytes}
			nodes := []*Broker{open(t, Config{URL: s.url()}), open(t, Config{URL: s.url()})}
			heard := make([]topicRecorder, len(nodes))
			for i, b := range nodes {
				b.Subscribe(kind, nil, heard[i].add)
			}
			before, err := nodes[0].Publish(t.Context(), kind, "site", []byte("first"))
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range nodes {
				eventually(t, "the first message", func() bool { return b.lastReceived(kind).Cursor == before })
			}
			var senders sync.WaitGroup
			for i := range 4 {
				senders.Go(func() { fill(t, nodes[i%2], kind, maxBytes) })
			}
			senders.Wait()
			if info := storedIn(t, s, kind); info.State.FirstSeq == 1 || info.Config.MaxBytes > maxBytes {
				t.Errorf("NATS has removed no message of %d bytes, at most %d", info.State.Bytes, info.Config.MaxBytes)
			}
			last, err := nodes[1].Publish(t.Context(), kind, "site", []byte("last"))
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range nodes {
				eventually(t, "the last message", func() bool { return b.lastReceived(kind).Cursor.Seq >= last.Seq })
				if got := heard[i].last(); got.Epoch != before.Epoch {
					t.Errorf("the epoch was %q and is %q", before.Epoch, got.Epoch)
				}
			}
			later := open(t, Config{URL: s.url()})
			if at, err := later.Last(t.Context(), kind); err != nil || at.Epoch != before.Epoch {
				t.Errorf("the epoch was %q, and a node that starts later has %q, %v", before.Epoch, at.Epoch, err)
			}
		})
	}
}

// TestRemovedEpoch checks that a node writes the same epoch again if the stream has lost it and has
// the node's last message, and that the epoch is a new one if another message is in its place.
func TestRemovedEpoch(t *testing.T) {
	t.Parallel()
	s, b := openSmall(t, 0)
	cursor, err := b.Publish(t.Context(), topic.Pushes, "site", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return b.lastReceived(topic.Pushes).Cursor == cursor })
	l, _ := b.current()
	epoch := func() string {
		t.Helper()
		_, tip, err := b.stream(t.Context(), topic.Pushes, l, false)
		if err != nil {
			t.Fatal(err)
		}
		return tip.Epoch
	}
	js, err := jetstream.New(connect(t, s.url()))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), topic.Pushes.Stream())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(topic.Pushes.EpochSubject())); err != nil {
		t.Fatal(err)
	}
	if got := epoch(); got != cursor.Epoch {
		t.Errorf("the epoch was %q and is %q", cursor.Epoch, got)
	}
	config := stream.CachedInfo().Config
	if err := js.DeleteStream(t.Context(), config.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for range cursor.Seq + 2 {
		if _, err := js.Publish(t.Context(), topic.Pushes.Subject("site"), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if got := epoch(); got == cursor.Epoch {
		t.Error("another stream has the same epoch")
	}
}
