package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// blockingLog is a log that blocks at the warning about an invalid message, until release is closed.
type blockingLog struct {
	slog.Handler
	blocked, release chan struct{}
}

func (l *blockingLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *blockingLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "a message on NATS is invalid" {
		close(l.blocked)
		<-l.release
	}
	return nil
}

// TestPageOfLaggingNode opens pages on a node that has not received the latest pushes. They get the pushes that are
// published after they came, and no older ones.
func TestPageOfLaggingNode(t *testing.T) {
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	log := &blockingLog{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}
	lagging, other := newNodeOn(t, on, func(c *Config) { c.Logger = slog.New(log) }), newNodeOn(t, on)
	lagging.subscribed(t)
	nc, err := nats.Connect(on.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := errors.Join(nc.Publish("heartbeatd.push."+demoSite, []byte(`{"kind":`)), nc.Flush()); err != nil {
		t.Fatal(err)
	}
	<-log.blocked
	for i := range 20 {
		other.pushed(t, everybody, fmt.Sprint(i))
	}
	var readers []*reader
	for _, over := range linkTransports {
		readers = append(readers, lagging.page(t, 2).read(t, over, ""))
	}
	close(log.release)
	other.pushed(t, everybody, `"next"`)
	for i, r := range readers {
		if got := r.until(`"next"`, ""); len(got) != 1 {
			t.Errorf("%s: got %v", linkTransports[i], got)
		}
	}
}

// TestPageOfCutNode opens pages on a node that cannot ask NATS for the latest pushes. They get none that are older,
// neither there nor on another node.
func TestPageOfCutNode(t *testing.T) {
	hub := newHub(t)
	g := newGate(t, hub.ListenAddr())
	cut := newNodeOn(t, broker.Config{TTL: time.Minute, URL: g.url})
	other := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()})
	cut.subscribed(t)
	other.subscribed(t)
	cut.page(t, 2).read(t, "websocket", "")
	g.shut()
	other.pushed(t, everybody, `"old"`)
	began := time.Now()
	until(t, "a push that is old enough", func() bool { return time.Since(began) > clock.Tolerance })
	stays, moves := cut.page(t, 2).read(t, "websocket", ""), cut.page(t, 2)
	cursor := moves.read(t, "websocket", "").cursor
	asked := cut.page(t, 3)
	s, _, err := asked.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(asked.hello())
	last := s.next("welcome").Cursor
	leaver{cut.find(3, asked.conn), cut.replay}.Move()
	s.next("move")
	for _, f := range s.seen {
		if f.Type == "cursor" {
			last = f.Cursor
		}
	}
	g.open()
	other.pushed(t, everybody, `"next"`)
	if got := stays.until(`"next"`, ""); len(got) != 1 {
		t.Errorf("the page that stays got %v", got)
	}
	moves.node, asked.node = other, other
	if got := moves.read(t, "websocket", cursor).until(`"next"`, ""); len(got) != 1 {
		t.Errorf("the page that moves got %v", got)
	}
	if got := asked.read(t, "websocket", last).until(`"next"`, ""); len(got) != 1 {
		t.Errorf("the page that was asked to move got %v", got)
	}
}

// TestPageOfNodeWithWrongClock opens a page on a node whose clock is an hour ahead, before NATS has told it the
// time. When NATS is there, the page gets the pushes that follow, and no older ones.
func TestPageOfNodeWithWrongClock(t *testing.T) {
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + freeAddress(t)})
	r := n.page(t, 2).read(t, "websocket", "")
	n.replay.here = func(at time.Time) time.Time { return at.Add(time.Hour) }
	n.replay.subscribed(1, topic.Cursor{Epoch: "e"})
	for i, age := range []time.Duration{time.Minute, 0} {
		n.replay.receive(broker.Message{
			Site: demoSite, Cursor: topic.Cursor{Epoch: "e", Seq: uint64(i + 1)}, Stored: time.Now().Add(-time.Hour - age),
			Data: fmt.Appendf(nil, `{"kind":"push","to":{"all":true},"data":"%v ago"}`, age),
		})
	}
	if got := r.until(`"0s ago"`, ""); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
