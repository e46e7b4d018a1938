package replay

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// TestLimits checks that the oldest pushes are dropped at the limits of bytes and of age, and
// that only pages of their site have missed something.
func TestLimits(t *testing.T) {
	b := &Buffer{}
	frame := make([]byte, 1<<20)
	push := func(seq uint64, at time.Time) {
		b.Received(broker.Cursor{Epoch: "e", Seq: seq})
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
		from, missed := b.Position(site, fmt.Sprint("e-", after))
		if from.Seq != after || (missed != nil) != (site == "a") {
			t.Errorf("site %s after %d: %v %s", site, after, from, missed)
		}
	}
	if _, missed := b.Position("a", fmt.Sprint("e-", last)); missed != nil {
		t.Errorf("a page that had the last push that was dropped: %s", missed)
	}
	push(101, time.Now().Add(maxAge+time.Second))
	if len(b.pushes) != 1 {
		t.Errorf("%d pushes are kept, want the newest only", len(b.pushes))
	}
}

// TestGap checks what a node knows of messages that NATS has dropped before they arrived.
func TestGap(t *testing.T) {
	b := &Buffer{}
	var none broker.Cursor
	if b.Subscribed(51, broker.Cursor{Epoch: "e", Seq: 60}) != none {
		t.Error("a node that has just started has pages that missed something")
	}
	for after, want := range map[string]string{
		"": "", "e-50": "", "e-60": "", "e-49": `{"type":"missed","cursor":"e-50"}`, "0-0": `{"type":"missed","cursor":"e-50"}`, "old-7": `{"type":"missed","cursor":"e-50"}`,
	} {
		if _, missed := b.Position("a", after); string(missed) != want {
			t.Errorf("after %q: %s, want %s", after, missed, want)
		}
	}
	if b.Received(broker.Cursor{Epoch: "e", Seq: 51}) != none || b.Received(broker.Cursor{Epoch: "e", Seq: 52}) != none {
		t.Error("messages without a gap")
	}
	if got := b.Received(broker.Cursor{Epoch: "e", Seq: 54}); got != (broker.Cursor{Epoch: "e", Seq: 53}) {
		t.Errorf("a gap is not noticed: %v", got)
	}
	if got := b.Subscribed(1, broker.Cursor{Epoch: "f"}); got != (broker.Cursor{Epoch: "f"}) {
		t.Errorf("pages of the stream before are told of %v", got)
	}
	if b.Subscribed(1, broker.Cursor{Epoch: "f"}) != none || b.Subscribed(0, broker.Cursor{Epoch: "f"}) != none {
		t.Error("the beginning of a stream is a gap")
	}
	if got := b.Subscribed(51, broker.Cursor{Epoch: "f", Seq: 60}); got != (broker.Cursor{Epoch: "f", Seq: 50}) {
		t.Errorf("a gap in a stream that was empty is not noticed: %v", got)
	}
	for i := range uint64(maxDroppedSites + 10) {
		b.dropped.add(fmt.Sprint("site-", i), i+1)
	}
	if len(b.dropped.last) > maxDroppedSites || b.dropped.upTo("site-3") < 4 {
		t.Errorf("%d sites are known", len(b.dropped.last))
	}
}
