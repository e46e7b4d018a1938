package broker

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// heard collects what a broker hears on a topic.
type heard struct {
	mu      sync.Mutex
	signals []Message
}

func (h *heard) add(s Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signals = append(h.signals, s)
}

func (h *heard) data() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.signals {
		list = append(list, s.Site+" "+string(s.Data))
	}
	return list
}

func TestSignals(t *testing.T) {
	b := open(t, Config{})
	var early, late, other heard
	b.Subscribe(Pushes, nil, early.add)
	b.Subscribe(Revocations, nil, other.add)
	var want []string
	for i := range 20 {
		site := fmt.Sprintf("site.%d", i%2)
		c, err := b.Publish(t.Context(), Pushes, site, fmt.Appendf(nil, "message %d", i))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseCursor(c.String()); err != nil || back != c || c.Seq != uint64(i+1) {
			t.Errorf("message %d has the cursor %v, read back %v, %v", i, c, back, err)
		}
		want = append(want, fmt.Sprintf("%s message %d", site, i))
	}
	b.Subscribe(Pushes, nil, late.add) // what can still be heard comes too
	eventually(t, "everything is heard", func() bool { return slices.Equal(early.data(), want) && slices.Equal(late.data(), want) })
	if got := other.data(); len(got) != 0 {
		t.Errorf("on another topic: %v", got)
	}
	if _, err := b.Publish(t.Context(), Pushes, "x", make([]byte, MaxMessage+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a signal that is too large: %v", err)
	}
}

func TestParseCursor(t *testing.T) {
	for _, bad := range []string{"", "-", "a", "-1", "a-", "a-x", "a--1"} {
		if c, err := ParseCursor(bad); err == nil {
			t.Errorf("%q was read as %v", bad, c)
		}
	}
}

// TestSignalsAfterNATSWasGone hears on when NATS comes back with nothing, under
// a new epoch.
func TestSignalsAfterNATSWasGone(t *testing.T) {
	server := startNATS(t)
	b := open(t, Config{URL: server.url()})
	var h heard
	b.Subscribe(Pushes, nil, h.add)
	first, err := b.Publish(t.Context(), Pushes, "s", []byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first is heard", func() bool { return len(h.data()) == 1 })
	server.stop()
	eventually(t, "nothing can be said", func() bool {
		_, err := b.Publish(t.Context(), Pushes, "s", []byte("lost"))
		return err != nil
	})
	server.start()
	var second Cursor
	eventually(t, "something can be said again", func() bool {
		second, err = b.Publish(t.Context(), Pushes, "s", []byte("after"))
		return err == nil
	})
	eventually(t, "it is heard", func() bool { return slices.Contains(h.data(), "s after") })
	if first.Epoch == second.Epoch {
		t.Errorf("one epoch, %s, for two streams", first.Epoch)
	}
}

// A stream that somebody deletes is made anew by the next who speaks, under
// another epoch, whoever that is.
func TestSignalsAfterTheirStreamWasDeleted(t *testing.T) {
	server := startNATS(t)
	one, two := open(t, Config{URL: server.url()}), open(t, Config{URL: server.url()})
	say := func(b *Broker) Cursor {
		t.Helper()
		c, err := b.Publish(t.Context(), Pushes, "s", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	say(one)
	say(one)
	first := say(two)
	l, _ := one.current()
	if err := l.js.DeleteStream(t.Context(), "heartbeatd_push"); err != nil {
		t.Fatal(err)
	}
	second, third := say(one), say(two)
	if second.Epoch == first.Epoch || second.Seq != 1 || third.Epoch != second.Epoch || third.Seq != 2 {
		t.Errorf("%v, then %v and %v", first, second, third)
	}
}

// TestHearTellsWhereItStands says where a topic stands before anything is heard of
// it, and when NATS has lost it.
func TestHearTellsWhereItStands(t *testing.T) {
	server := startNATS(t)
	b := open(t, Config{URL: server.url()})
	var mu sync.Mutex
	var places []Cursor
	listen := func() {
		b.Subscribe(Pushes, func(c Cursor) {
			mu.Lock()
			defer mu.Unlock()
			places = append(places, c)
		}, func(Message) {})
	}
	told := func(n int) []Cursor {
		t.Helper()
		eventually(t, "the place is told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(places) >= n
		})
		mu.Lock()
		defer mu.Unlock()
		return places[:n]
	}
	listen()
	if got := told(1)[0]; got.Epoch == "" || got.Seq != 0 {
		t.Errorf("before anything was said: %v", got)
	}
	said, err := b.Publish(t.Context(), Pushes, "s", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	listen()
	if got := told(2)[1]; got != said {
		t.Errorf("then: %v, want %v", got, said)
	}
	server.stop()
	becomes(t, b, false)
	server.start()
	for _, got := range told(4)[2:] {
		if got.Epoch == said.Epoch || got.Seq != 0 {
			t.Errorf("of another NATS: %v after %v", got, said)
		}
	}
}

func TestCursorInAnotherStream(t *testing.T) {
	for _, c := range []struct {
		at    Cursor
		epoch string
		last  uint64
		want  Cursor
	}{
		{Cursor{}, "a", 7, Cursor{"a", 0}},
		{Cursor{"a", 5}, "a", 7, Cursor{"a", 5}},
		{Cursor{"a", 5}, "a", 5, Cursor{"a", 5}},
		{Cursor{"a", 5}, "b", 7, Cursor{"b", 0}},
		{Cursor{"a", 5}, "a", 4, Cursor{"a.", 0}}, // lost, and made anew under its date
		{Cursor{"a.", 2}, "a", 4, Cursor{"a.", 2}},
		{Cursor{"a.", 2}, "a", 1, Cursor{"a..", 0}},
		{Cursor{"a..", 2}, "b", 1, Cursor{"b", 0}},
	} {
		if got := c.at.in(c.epoch, c.last); got != c.want {
			t.Errorf("%v in a stream %s that ends at %d: %v, want %v", c.at, c.epoch, c.last, got, c.want)
		}
	}
}
