package transport

import (
	"bytes"
	"fmt"
	"testing"
)

func TestOutboxNumbersAndForgets(t *testing.T) {
	o := &Outbox{}
	for i := range 5 {
		o.Send(fmt.Appendf(nil, "frame %d", i+1))
	}
	o.Ack(2)
	for _, c := range []struct {
		after uint64
		want  string
	}{{0, "frame 3"}, {2, "frame 3"}, {4, "frame 5"}, {5, ""}, {99, ""}} {
		frames, last, bye := o.After(c.after)
		got := ""
		if len(frames) > 0 {
			got = string(frames[0])
		}
		if got != c.want || last != 5 || bye != nil {
			t.Errorf("after %d: %q, last %d, %v; want %q", c.after, got, last, bye, c.want)
		}
	}
	o.Ack(99)
	if frames, _, _ := o.After(0); len(frames) != 0 || o.bytes != 0 {
		t.Errorf("after everything was acknowledged: %d frames, %d bytes", len(frames), o.bytes)
	}
}

// TestOutboxBounds fills an outbox: presence is refused first and made up for
// later, then the connection is ended.
func TestOutboxBounds(t *testing.T) {
	o := &Outbox{}
	drained := 0
	o.OnDrained(func() { drained++ })
	kib := bytes.Repeat([]byte("x"), 1<<10)
	offered := 0
	for o.Offer(kib) {
		offered++
	}
	if offered != softLimit>>10 {
		t.Errorf("%d KiB of presence were taken, want %d", offered, softLimit>>10)
	}
	for sent := offered; sent < hardLimit>>10; sent++ {
		o.Send(kib)
	}
	if _, _, bye := o.After(0); bye != nil {
		t.Fatalf("before the limit: %v", bye)
	}
	o.Ack(uint64(offered))
	if drained != 0 {
		t.Error("drained before everything was taken")
	}
	o.Ack(1 << 30)
	if drained != 1 {
		t.Errorf("drained %d times, want once", drained)
	}
	for range hardLimit>>10 + 1 {
		o.Send(kib)
	}
	if _, _, bye := o.After(0); bye == nil || bye.Code != CodeSlow || bye.RetryAfter <= 0 {
		t.Errorf("above the limit: %v", bye)
	}
	if o.bytes > hardLimit {
		t.Errorf("%d bytes are held, at most %d may be", o.bytes, hardLimit)
	}
}

// TestOutboxTakesOneLargeFrame lets a frame above the limit through when
// nothing else waits: nothing smaller would ever come of it.
func TestOutboxTakesOneLargeFrame(t *testing.T) {
	o := &Outbox{}
	if !o.Offer(make([]byte, softLimit+1)) {
		t.Error("a large snapshot was refused by an empty outbox")
	}
	if o.Offer([]byte("x")) {
		t.Error("more was taken on top of it")
	}
}

func TestOutboxFirstByeCounts(t *testing.T) {
	o := &Outbox{}
	woken := 0
	o.Start(func() { woken++ })
	o.Bye(&Bye{Code: CodeDraining})
	o.Bye(&Bye{Code: CodeTicket})
	o.Send([]byte("late"))
	if frames, _, bye := o.After(0); bye.Code != CodeDraining || len(frames) != 0 {
		t.Errorf("%v, %d frames", bye, len(frames))
	}
	if woken < 2 {
		t.Errorf("woken %d times", woken)
	}
}
