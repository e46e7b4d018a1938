package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// reader is a page's link over one transport. It reads the pushes.
type reader struct {
	cursor string // of the welcome
	next   func() frame
}

var linkTransports = []string{"websocket", "longpoll", "events"}

// read opens a page's link over a transport, with a cursor.
func (p *page) read(t *testing.T, over, after string) *reader {
	t.Helper()
	if over == "websocket" {
		hello := strings.Replace(p.hello(), `"conn"`, `"after":"`+after+`","conn"`, 1)
		s, _, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.send(hello)
		return &reader{s.next("welcome").Cursor, func() frame { return s.next("push") }}
	}
	l := &poller{t: t, page: p}
	cursor := l.openAfter(after)
	if over == "events" {
		s := &streamer{poller: l}
		s.open()
		return &reader{cursor, func() frame { return s.next("push") }}
	}
	var seq uint64
	var waiting []frame
	return &reader{cursor, func() frame {
		var status int
		for {
			for len(waiting) > 0 {
				f := waiting[0]
				if waiting = waiting[1:]; f.Type == "push" {
					return f
				}
			}
			status, seq, waiting = l.poll(seq)
			if status != 200 {
				t.Fatalf("poll: %d", status)
			}
		}
	}}
}

// until reads pushes up to one with this data, and returns the data of those that contain
// part.
func (r *reader) until(last, part string) (list []string) {
	for {
		data := string(r.next().Data)
		if strings.Contains(data, part) {
			list = append(list, data)
		}
		if data == last {
			return list
		}
	}
}

// pushed pushes data to a target, and repeats the call until NATS accepts the push.
func (n *node) pushed(t *testing.T, to, data string) (cursor string) {
	t.Helper()
	until(t, "a push is accepted", func() bool {
		status, answer := n.call(t, "/push", fmt.Sprintf(`{"to":%s,"data":%s}`, to, data))
		cursor, _ = answer["cursor"].(string)
		return status == http.StatusAccepted
	})
	return cursor
}

const everybody = `{"all":true}`

// subscribed waits until the node has subscribed to pushes, and has received the epoch of the stream.
func (n *node) subscribed(t *testing.T) {
	t.Helper()
	until(t, "the node has subscribed", func() bool {
		n.replay.mu.Lock()
		defer n.replay.mu.Unlock()
		return n.replay.kept.Cursor.Seq > 0
	})
}

// TestFirstPushIsNotMissed checks that a page that lost its connection before its first
// push gets each push once when it is back, on the same node and on another one. The node
// does not notice the loss: the page only stops reading.
func TestFirstPushIsNotMissed(t *testing.T) {
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	first, second := newNodeOn(t, on), newNodeOn(t, on)
	first.subscribed(t)
	second.subscribed(t)
	for _, over := range linkTransports {
		for name, back := range map[string]*node{"the same node": first, "another node": second} {
			t.Run(over+" on "+name, func(t *testing.T) {
				p := first.page(t, 2)
				lost := p.read(t, over, "")
				if lost.cursor == "" {
					t.Fatal("the welcome has no cursor")
				}
				missed, inRoom, end := `"missed `+t.Name()+`"`, `"in the room `+t.Name()+`"`, `"end `+t.Name()+`"`
				first.pushed(t, everybody, missed)
				first.pushed(t, `{"room":"`+room42+`"}`, inRoom)
				p.node = back
				resumed := p.read(t, over, lost.cursor)
				back.pushed(t, everybody, end)
				if got := resumed.until(end, t.Name()); !slices.Equal(got, []string{missed, inRoom, end}) {
					t.Errorf("got %v", got)
				}
				// A new page does not get what was pushed before it came.
				r := back.page(t, 2).read(t, over, "")
				next := `"next ` + t.Name() + `"`
				back.pushed(t, everybody, next)
				if got := r.until(next, t.Name()); len(got) != 1 {
					t.Errorf("a new page got %v", got)
				}
			})
		}
	}
}

// TestPushAfterNATSWasLost checks that pages get pushes after NATS has restarted with a new
// stream: the cursors that they have are of the old one.
func TestPushAfterNATSWasLost(t *testing.T) {
	hub, err := broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := hub.ListenAddr()
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + address})
	n.subscribed(t)
	n.pushed(t, everybody, `"old"`)
	var pages []*page
	var lost []*reader
	for _, over := range linkTransports {
		p := n.page(t, 2)
		pages, lost = append(pages, p), append(lost, p.read(t, over, ""))
	}
	stays := n.page(t, 1).socket(t)
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "NATS is gone", func() bool { return n.broker.Ready() != nil })
	// A page that comes meanwhile keeps its cursor, or gets one that is older than all
	// later pushes.
	p := n.page(t, 2)
	if r := p.read(t, "websocket", "kept-7"); r.cursor == "" {
		t.Error("the cursor was lost")
	}
	until(t, "NATS is back", func() bool {
		hub, err = broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: address})
		return err == nil
	})
	t.Cleanup(func() { _ = hub.Close() })
	n.pushed(t, everybody, `"missed"`)
	stays.next("missed") // it cannot know what was pushed last to the old stream
	stays.next("push")
	for i, over := range linkTransports {
		resumed := pages[i].read(t, over, lost[i].cursor)
		n.pushed(t, everybody, `"end"`)
		if got := resumed.until(`"end"`, "missed"); len(got) != 1 {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

// TestPushAfterRestart checks that pages of a node that is gone, with its NATS, get pushes
// from a node that has just started.
func TestPushAfterRestart(t *testing.T) {
	before, after := newNode(t), newNode(t)
	before.subscribed(t)
	after.subscribed(t)
	for _, over := range linkTransports {
		p := before.page(t, 2)
		old := p.read(t, over, "")
		after.pushed(t, everybody, `"to all"`)
		after.pushed(t, `{"user":2}`, `"for `+over+`"`)
		p.node = after
		resumed := p.read(t, over, old.cursor)
		if !strings.HasPrefix(resumed.cursor, epochOf(resumed.cursor)+"-") || epochOf(resumed.cursor) == epochOf(old.cursor) {
			t.Errorf("%s: the welcome has the cursor %s after %s", over, resumed.cursor, old.cursor)
		}
		if got := resumed.until(`"for `+over+`"`, ""); got[0] != `"to all"` {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

func epochOf(cursor string) string {
	epoch, _, _ := strings.Cut(cursor, "-")
	return epoch
}

// TestPushBeforeNATSIsKnown checks that pages that came before the node had a connection to
// NATS get the first push.
func TestPushBeforeNATSIsKnown(t *testing.T) {
	address := freeAddress(t)
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + address})
	connected := n.page(t, 1).read(t, "websocket", "")
	var pages []*page
	var lost []*reader
	for _, over := range linkTransports {
		p := n.page(t, 2)
		pages, lost = append(pages, p), append(lost, p.read(t, over, ""))
	}
	var hub *broker.Broker
	until(t, "NATS comes", func() (ok bool) {
		var err error
		hub, err = broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: address})
		return err == nil
	})
	t.Cleanup(func() { _ = hub.Close() })
	n.pushed(t, everybody, `"missed"`)
	if got := connected.until(`"missed"`, ""); len(got) != 1 {
		t.Errorf("the page that stayed connected got %v", got)
	}
	for i, over := range linkTransports {
		resumed := pages[i].read(t, over, lost[i].cursor)
		if got := resumed.until(`"missed"`, ""); len(got) != 1 {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

// TestBacklog checks which pushes pages get that come while a node that has just started
// reads older pushes from NATS: each page gets those that it has not received.
func TestBacklog(t *testing.T) {
	n := newNode(t)
	n.subscribed(t)
	m := n.replay
	receive := func(epoch string, seq uint64) {
		m.receive(broker.Message{Site: demoSite, Cursor: topic.Cursor{Epoch: epoch, Seq: seq}, Stored: time.Now(), Data: fmt.Appendf(nil, `{"kind":"push","to":{"all":true},"data":"%s-%d"}`, epoch, seq)})
	}
	m.subscribed(1, topic.Cursor{Epoch: "e", Seq: 4})
	receive("e", 1)
	receive("e", 2)
	readers := map[string]*reader{}
	for _, after := range []string{"", "e-0", "e-1", "e-5", "f-9"} {
		readers[after] = n.page(t, 2).read(t, "websocket", after)
	}
	for seq := range uint64(4) {
		receive("e", 3+seq)
	}
	for after, want := range map[string]string{
		"":    `["e-5" "e-6"]`, // from the moment of subscribing
		"e-0": `["e-1" "e-2" "e-3" "e-4" "e-5" "e-6"]`,
		"e-1": `["e-2" "e-3" "e-4" "e-5" "e-6"]`,
		"e-5": `["e-6"]`, // the page comes from a node that has received more
		"f-9": `["e-1" "e-2" "e-3" "e-4" "e-5" "e-6"]`,
	} {
		if got := fmt.Sprint(readers[after].until(`"e-6"`, "")); got != want {
			t.Errorf("after %q: got %s, want %s", after, got, want)
		}
	}
	m.subscribed(1, topic.Cursor{Epoch: "g"}) // a new stream begins at 1
	receive("g", 1)
	for after, r := range readers {
		if got := r.until(`"g-1"`, ""); len(got) != 1 {
			t.Errorf("after %q: got %v of the new stream", after, got)
		}
	}
}

// TestDrainTellsCursor checks that a page of a node that is draining gets the node's cursor: pushes
// that were not for the page have not moved its own, and NATS may drop them meanwhile.
func TestDrainTellsCursor(t *testing.T) {
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	first, second := newNodeOn(t, on), newNodeOn(t, on)
	first.subscribed(t)
	second.subscribed(t)
	p := first.page(t, 2)
	s := p.socket(t)
	last := first.pushed(t, `{"user":1}`, `"for somebody else"`)
	for _, n := range []*node{first, second} {
		until(t, "the push", func() bool {
			n.replay.mu.Lock()
			defer n.replay.mu.Unlock()
			return n.replay.kept.Cursor.String() == last
		})
	}
	first.Drain(t.Context(), 0)
	if got := s.next("cursor").Cursor; got != last {
		t.Fatalf("the page has the cursor %s, want %s", got, last)
	}
	p.node = second
	if got := p.read(t, "websocket", last).cursor; got != last {
		t.Errorf("the page resumes after %s, want %s", got, last)
	}
}
