package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// reader is a page's link over one transport, of which it hears the pushes.
type reader struct {
	cursor string // from the welcome, as a page keeps it
	next   func() frame
}

var overs = []string{"websocket", "longpoll", "events"}

// read opens a page's link with the cursor that it has.
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

// until reads pushes up to one that says what, and lists those that have to do
// with the same.
func (r *reader) until(what, about string) (list []string) {
	for {
		data := string(r.next().Data)
		if strings.Contains(data, about) {
			list = append(list, data)
		}
		if data == what {
			return list
		}
	}
}

// pushed pushes to a target as soon as NATS takes it.
func (n *node) pushed(t *testing.T, to, data string) (cursor string) {
	t.Helper()
	until(t, "a push is taken", func() bool {
		status, answer := n.call(t, "/push", fmt.Sprintf(`{"to":%s,"data":%s}`, to, data))
		cursor, _ = answer["cursor"].(string)
		return status == http.StatusAccepted
	})
	return cursor
}

const everybody = `{"all":true}`

// subscribed waits until the node has heard NATS.
func (n *node) subscribed(t *testing.T) {
	t.Helper()
	until(t, "the node hears pushes", func() bool {
		n.replay.mu.Lock()
		defer n.replay.mu.Unlock()
		return n.replay.cursor.Epoch != ""
	})
}

// TestFirstPushIsNotMissed cuts a page off that has never had a push. The node
// does not notice: the page just reads no more. What is pushed meanwhile reaches
// it once when it is back, here and on another node.
func TestFirstPushIsNotMissed(t *testing.T) {
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	first, second := newNodeOn(t, on), newNodeOn(t, on)
	first.subscribed(t)
	second.subscribed(t)
	for _, over := range overs {
		for name, back := range map[string]*node{"the same node": first, "another node": second} {
			p := first.page(t, 2)
			cut := p.read(t, over, "")
			if cut.cursor == "" {
				t.Fatalf("%s: the welcome has no cursor", over)
			}
			about := over + " on " + name
			missed, inRoom, end := `"missed `+about+`"`, `"in the room `+about+`"`, `"end `+about+`"`
			first.pushed(t, everybody, missed)
			first.pushed(t, `{"room":"`+room42+`"}`, inRoom)
			p.node = back
			again := p.read(t, over, cut.cursor)
			back.pushed(t, everybody, end)
			if got := again.until(end, about); !slices.Equal(got, []string{missed, inRoom, end}) {
				t.Errorf("%s: got %v", about, got)
			}
			// A page that is new does not get what was pushed before it came.
			r := back.page(t, 2).read(t, over, "")
			news := `"news ` + about + `"`
			back.pushed(t, everybody, news)
			if got := r.until(news, about); len(got) != 1 {
				t.Errorf("%s: a new page got %v", about, got)
			}
		}
	}
}

// TestPushAfterNATSWasLost has NATS restart, which then knows nothing, while pages
// are here: they have the cursor of a stream that is gone.
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
	var cut []*reader
	for _, over := range overs {
		p := n.page(t, 2)
		pages, cut = append(pages, p), append(cut, p.read(t, over, ""))
	}
	if err := hub.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "NATS is gone", func() bool { return n.broker.Ready() != nil })
	// A page that comes meanwhile keeps its cursor, or gets one that is older than
	// whatever comes.
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
	for i, over := range overs {
		again := pages[i].read(t, over, cut[i].cursor)
		n.pushed(t, everybody, `"end"`)
		if got := again.until(`"end"`, "missed"); len(got) != 1 {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

// TestPushAfterRestart has pages come from a heartbeatd that is gone, with its NATS,
// to one that has just started.
func TestPushAfterRestart(t *testing.T) {
	before, after := newNode(t), newNode(t)
	before.subscribed(t)
	after.subscribed(t)
	for _, over := range overs {
		p := before.page(t, 2)
		old := p.read(t, over, "")
		after.pushed(t, everybody, `"to all"`)
		after.pushed(t, `{"user":2}`, `"for `+over+`"`)
		p.node = after
		again := p.read(t, over, old.cursor)
		if !strings.HasPrefix(again.cursor, epochOf(again.cursor)+"-") || epochOf(again.cursor) == epochOf(old.cursor) {
			t.Errorf("%s: the welcome says %s after %s", over, again.cursor, old.cursor)
		}
		if got := again.until(`"for `+over+`"`, ""); got[0] != `"to all"` {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

func epochOf(cursor string) string {
	epoch, _, _ := strings.Cut(cursor, "-")
	return epoch
}

// TestPushBeforeNATSIsKnown has a page come to a node that has never reached NATS.
func TestPushBeforeNATSIsKnown(t *testing.T) {
	address := freeAddress(t)
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + address})
	stays := n.page(t, 1).read(t, "websocket", "")
	var pages []*page
	var cut []*reader
	for _, over := range overs {
		p := n.page(t, 2)
		pages, cut = append(pages, p), append(cut, p.read(t, over, ""))
	}
	var hub *broker.Broker
	until(t, "NATS comes", func() (ok bool) {
		var err error
		hub, err = broker.Open(t.Context(), broker.Config{TTL: time.Minute, Listen: address})
		return err == nil
	})
	t.Cleanup(func() { _ = hub.Close() })
	n.pushed(t, everybody, `"missed"`)
	if got := stays.until(`"missed"`, ""); len(got) != 1 {
		t.Errorf("who stayed got %v", got)
	}
	for i, over := range overs {
		again := pages[i].read(t, over, cut[i].cursor)
		if got := again.until(`"missed"`, ""); len(got) != 1 {
			t.Errorf("%s: got %v", over, got)
		}
	}
}

// TestBacklog has a node read what was said before it came, while pages come: each
// gets what it has not had.
func TestBacklog(t *testing.T) {
	n := newNode(t)
	n.subscribed(t)
	m := n.replay
	said := func(epoch string, seq uint64) {
		m.receive(broker.Message{Site: demoSite, Cursor: broker.Cursor{Epoch: epoch, Seq: seq}, Data: fmt.Appendf(nil, `{"kind":"push","to":{"all":true},"data":"%s-%d"}`, epoch, seq)})
	}
	m.subscribed(broker.Cursor{Epoch: "e", Seq: 4})
	said("e", 1)
	said("e", 2)
	readers := map[string]*reader{}
	for _, after := range []string{"", "e-0", "e-1", "e-5", "f-9"} {
		readers[after] = n.page(t, 2).read(t, "websocket", after)
	}
	for seq := range uint64(4) {
		said("e", 3+seq)
	}
	for after, want := range map[string]string{
		"":    `["e-5" "e-6"]`, // from the moment of subscribing
		"e-0": `["e-1" "e-2" "e-3" "e-4" "e-5" "e-6"]`,
		"e-1": `["e-2" "e-3" "e-4" "e-5" "e-6"]`,
		"e-5": `["e-6"]`, // it comes from a node that was faster
		"f-9": `["e-1" "e-2" "e-3" "e-4" "e-5" "e-6"]`,
	} {
		if got := fmt.Sprint(readers[after].until(`"e-6"`, "")); got != want {
			t.Errorf("after %q: got %s, want %s", after, got, want)
		}
	}
	m.subscribed(broker.Cursor{Epoch: "g"}) // a new stream begins at 1
	said("g", 1)
	for after, r := range readers {
		if got := r.until(`"g-1"`, ""); len(got) != 1 {
			t.Errorf("after %q: got %v of the new stream", after, got)
		}
	}
}
