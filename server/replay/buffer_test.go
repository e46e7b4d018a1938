package replay

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// TestLimits checks that the oldest pushes are dropped at the limits of bytes and of age, and
// that only pages of their site have missed something.
func TestLimits(t *testing.T) {
	b := &Buffer{}
	frame := make([]byte, 1<<20)
	push := func(seq uint64, at time.Time) {
		b.Received(topic.Cursor{Epoch: "e", Seq: seq}, at)
		b.Keep(Push{Site: "a", Cursor: b.Cursor, Frame: frame, At: at})
	}
	for i := range uint64(100) {
		push(i+1, time.Now())
	}
	if b.bytes > maxBytes || len(b.pushes) != maxBytes>>20 || b.pushes[len(b.pushes)-1].Cursor.Seq != 100 {
		t.Errorf("%d pushes of %d bytes are kept", len(b.pushes), b.bytes)
	}
	last := b.pushes[0].Cursor.Seq - 1
	for site, after := range map[string]uint64{"a": last - 1, "b": last - 1, "c": 0} {
		from, missed, _ := b.Position(site, fmt.Sprint("e-", after), time.Now())
		if from.Seq != after || (missed != nil) != (site == "a") {
			t.Errorf("site %s after %d: %v %s", site, after, from, missed)
		}
	}
	if _, missed, _ := b.Position("a", fmt.Sprint("e-", last), time.Now()); missed != nil {
		t.Errorf("a page that had the last push that was dropped: %s", missed)
	}
	push(101, time.Now().Add(maxAge+time.Second))
	if len(b.pushes) != 1 {
		t.Errorf("%d pushes are kept, want the newest only", len(b.pushes))
	}
}

// TestManyPushes checks that neither a page that returns nor another push costs more work the more pushes
// are kept: the page gets its own, in order, and no push is moved when the oldest one is dropped.
func TestManyPushes(t *testing.T) {
	b, now, seq := &Buffer{}, time.Now(), uint64(0)
	push := func(site string, to message.Target, at time.Time) {
		seq++
		b.Received(topic.Cursor{Epoch: "e", Seq: seq}, at)
		b.Keep(Push{Site: site, To: to, Cursor: b.Cursor, At: at})
	}
	const rooms = 1000
	for i := range rooms {
		push("a", message.Target{Room: fmt.Sprint("room/", i)}, now)
		push("b", message.Target{All: true}, now)
	}
	push("a", message.Target{All: true}, now)
	push("a", message.Target{Room: "room/7"}, now)
	hears := []message.Target{{Room: "room/7"}, {All: true}, {Can: "edit_posts"}, {All: true}}
	for after, want := range map[uint64]string{0: "[15 2001 2002]", 15: "[2001 2002]", 2001: "[2002]", 2002: "[]"} {
		got := []uint64{}
		for _, p := range b.After(topic.Cursor{Epoch: "e", Seq: after}, "a", hears) {
			got = append(got, p.Cursor.Seq)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("after %d: %v, want %s", after, got, want)
		}
	}
	moved, kept := 0, len(b.pushes)
	for range rooms {
		second := &b.pushes[1]
		push("a", message.Target{All: true}, now.Add(maxAge))
		b.drop()
		if &b.pushes[0] != second {
			moved++
		}
	}
	if moved > 10 || len(b.pushes) != kept {
		t.Errorf("%d times all %d pushes were moved", moved, len(b.pushes))
	}
	push("b", message.Target{}, now.Add(2*maxAge+time.Second))
	if len(b.pushes) != 1 || len(b.byWhom) != 1 {
		t.Errorf("%d pushes to %d targets are kept, want the newest only", len(b.pushes), len(b.byWhom))
	}
}

// TestGap checks what a node knows of messages that NATS has dropped before they arrived.
func TestGap(t *testing.T) {
	b := &Buffer{}
	var none topic.Cursor
	if b.Subscribed(51, topic.Cursor{Epoch: "e", Seq: 60}) != none {
		t.Error("a node that has just started has pages that missed something")
	}
	for after, want := range map[string]string{
		"": "", "e-50": "", "e-60": "", "e-49": `{"type":"missed","cursor":"e-50"}`, "0-0": `{"type":"missed","cursor":"e-50"}`, "old-7": `{"type":"missed","cursor":"e-50"}`,
	} {
		if _, missed, _ := b.Position("a", after, time.Now()); string(missed) != want {
			t.Errorf("after %q: %s, want %s", after, missed, want)
		}
	}
	if b.Received(topic.Cursor{Epoch: "e", Seq: 51}, time.Now()) != none || b.Received(topic.Cursor{Epoch: "e", Seq: 52}, time.Now()) != none {
		t.Error("messages without a gap")
	}
	if got := b.Received(topic.Cursor{Epoch: "e", Seq: 54}, time.Now()); got != (topic.Cursor{Epoch: "e", Seq: 53}) {
		t.Errorf("a gap is not noticed: %v", got)
	}
	if got := b.Subscribed(1, topic.Cursor{Epoch: "f"}); got != (topic.Cursor{Epoch: "f"}) {
		t.Errorf("pages of the stream before are told of %v", got)
	}
	if b.Subscribed(1, topic.Cursor{Epoch: "f"}) != none || b.Subscribed(0, topic.Cursor{Epoch: "f"}) != none {
		t.Error("the beginning of a stream is a gap")
	}
	if got := b.Subscribed(51, topic.Cursor{Epoch: "f", Seq: 60}); got != (topic.Cursor{Epoch: "f", Seq: 50}) {
		t.Errorf("a gap in a stream that was empty is not noticed: %v", got)
	}
	for i := range uint64(maxDroppedSites + 10) {
		b.dropped.add(fmt.Sprint("site-", i), i+1)
	}
	if len(b.dropped.last) > maxDroppedSites || b.dropped.upTo("site-3") < 4 {
		t.Errorf("%d sites are known", len(b.dropped.last))
	}
}

// TestOpened checks from where a page gets pushes that opened when its node did not know the position of the stream.
func TestOpened(t *testing.T) {
	cut, late, up := &Buffer{}, &Buffer{}, &Buffer{}
	opened := time.Now()
	receive := func(b *Buffer, seq uint64, after time.Duration) {
		at := opened.Add(-clock.Tolerance + after)
		b.Received(topic.Cursor{Epoch: "e", Seq: seq}, at)
		b.Keep(Push{Site: "a", Cursor: b.Cursor, At: at, Stored: at})
	}
	for _, b := range []*Buffer{cut, late, up} {
		b.Subscribed(1, topic.Cursor{Epoch: "e"})
		receive(b, 1, -time.Minute)
	}
	receive(late, 2, -time.Second)
	receive(up, 2, -time.Second)
	receive(up, 3, time.Millisecond)
	cursor := cut.Opened(opened)
	for _, c := range []struct {
		name    string
		at      *Buffer
		from    uint64
		unknown bool
	}{
		{"the same node", cut, 1, true}, {"one that lacks messages", late, 2, true}, {"one that has all", up, 2, false},
	} {
		from, missed, opened := c.at.Position("a", cursor, time.Now())
		if from.Seq != c.from || missed != nil || opened.IsZero() == c.unknown {
			t.Errorf("%s: from %v, missed %s, opened %v", c.name, from, missed, opened)
		}
		if !c.unknown {
			continue
		}
		if again, _, _ := up.Position("a", WithOpened(from, opened), time.Now()); again.Seq != 2 {
			t.Errorf("%s, and then one that has all: from %v", c.name, again)
		}
	}
	if from, missed, _ := up.Position("a", new(Buffer).Opened(opened), time.Now()); from.Seq != 2 || missed != nil {
		t.Errorf("a node that has never received anything, and then one that has all: from %v, missed %s", from, missed)
	}
	if from, missed, opened := up.Position("a", cut.Opened(opened.Add(time.Hour)), time.Now()); from.Seq != 1 || missed != nil || !opened.IsZero() {
		t.Errorf("a node whose clock is an hour ahead, and then one that has all: from %v, missed %s, opened %v", from, missed, opened)
	}
}

// TestOpenedOnOlderNode checks that a node that does not know the time in a cursor takes the page for one of
// another stream: it does not leave out a push without saying so.
func TestOpenedOnOlderNode(t *testing.T) {
	up := &Buffer{}
	up.Subscribed(1, topic.Cursor{Epoch: "e"})
	for seq := range uint64(2) {
		up.Received(topic.Cursor{Epoch: "e", Seq: seq + 1}, time.Now())
	}
	for _, b := range []*Buffer{up, {}} {
		text := b.Opened(time.Now())
		had, err := topic.ParseCursor(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if from, missed := up.position("a", had); from.Seq != 0 || missed == nil {
			t.Errorf("%s: from %v, missed %s", text, from, missed)
		}
	}
	for text, want := range map[string]topic.Cursor{"e@x-1": {Epoch: "e@x", Seq: 1}, "@5-1": {Epoch: "@5", Seq: 1}, "e-1@5": {}, "e@5-x": {}} {
		if c, opened := parseCursor(text); c != want || !opened.IsZero() {
			t.Errorf("%s: %v, %v", text, c, opened)
		}
	}
}
