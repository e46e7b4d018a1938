package transport

import (
	"bytes"
	"fmt"
	"testing"
)

func TestOutboxAfterAndAck(t *testing.T) {
	o := &Outbox{}
	for i := range 5 {
		o.Send(fmt.Appendf(nil, "frame %d", i+1))
	}
	o.Ack(2)
	for _, c := range []struct {
		after uint64
		want  string
	}{{0, "frame 3"}, {2, "frame 3"}, {4, "frame 5"}, {5, ""}, {99, ""}} {
		t.Run(fmt.Sprint("after ", c.after), func(t *testing.T) {
			frames, last, bye := o.After(c.after)
			got := ""
			if len(frames) > 0 {
				got = string(frames[0])
			}
			if got != c.want || last != 5 || bye != nil {
				t.Errorf("%q, last %d, %v; want %q", got, last, bye, c.want)
			}
		})
	}
	o.Ack(99)
	if frames, _, _ := o.After(0); len(frames) != 0 || o.bytes != 0 {
		t.Errorf("after everything was acknowledged: %d frames, %d bytes", len(frames), o.bytes)
	}
}

// TestOutboxSent checks that the frames which a stream has written last stay for the next one, and do not count as
// waiting.
func TestOutboxSent(t *testing.T) {
	o := &Outbox{}
	drained := 0
	o.OnDrained(func() { drained++ })
	from := func(n uint64) (all string) {
		frames, last, _ := o.After(n)
		for _, f := range frames {
			all += string(f)
		}
		return fmt.Sprint(all, last)
	}
	for i := range 3 {
		o.Send(fmt.Append(nil, i+1, ","))
	}
	o.Sent(2)
	if got := from(0); got != "1,2,3,3" || o.bytes != 2 {
		t.Errorf("two frames are sent: %s, %d bytes", got, o.bytes)
	}
	o.Sent(3)
	if got := from(0); got != "3,3" || o.bytes != 0 {
		t.Errorf("three are: %s, %d bytes", got, o.bytes)
	}
	o.Send(bytes.Repeat([]byte("x"), softLimit))
	if o.Offer([]byte("5,"), false) {
		t.Error("a frame above the limit was accepted")
	}
	o.Sent(4)
	if drained != 1 || !o.Offer([]byte("5,"), false) {
		t.Errorf("a client that has caught up: drained was called %d times", drained)
	}
	o.Sent(5)
	if got := from(0); got != "5,5" || o.bytes != 0 {
		t.Errorf("five are: %s, %d bytes", got, o.bytes)
	}
	o.Sent(5)
	if got := from(0); got != "5" || o.frames != nil {
		t.Errorf("nothing was written since: %s", got)
	}
	o.Send([]byte("6,"))
	o.Sent(6)
	o.Send([]byte("7,"))
	o.Ack(6)
	if got := from(0); got != "7,7" || o.bytes != 2 {
		t.Errorf("six are acknowledged: %s, %d bytes", got, o.bytes)
	}
}

// TestOutboxLimits fills an outbox: first Offer refuses frames and OnDrained is called
// later, then Send ends the connection.
func TestOutboxLimits(t *testing.T) {
	o := &Outbox{}
	drained := 0
	o.OnDrained(func() { drained++ })
	kib := bytes.Repeat([]byte("x"), 1<<10)
	offered := 0
	for o.Offer(kib, false) {
		offered++
	}
	if offered != softLimit>>10 {
		t.Errorf("Offer accepted %d KiB, want %d", offered, softLimit>>10)
	}
	for sent := offered; sent < DefaultQueueBytes>>10; sent++ {
		o.Send(kib)
	}
	if _, _, bye := o.After(0); bye != nil {
		t.Fatalf("before the limit: %v", bye)
	}
	o.Ack(uint64(offered))
	if drained != 0 {
		t.Error("drained was called before all frames were acknowledged")
	}
	o.Ack(1 << 30)
	if drained != 1 {
		t.Errorf("drained was called %d times, want once", drained)
	}
	for range DefaultQueueBytes>>10 + 1 {
		o.Send(kib)
	}
	if _, _, bye := o.After(0); bye == nil || bye.Code != CodeSlow || bye.RetryAfter <= 0 {
		t.Errorf("above the limit: %v", bye)
	}
	if o.bytes > DefaultQueueBytes {
		t.Errorf("the outbox has %d bytes, want at most %d", o.bytes, DefaultQueueBytes)
	}
}

// TestTickBehindSnapshot sends a tick to a page for which a snapshot waits, with the least limit.
func TestTickBehindSnapshot(t *testing.T) {
	o := &Outbox{}
	o.Limit(MinQueueBytes)
	if !o.Offer(make([]byte, softLimit), false) {
		t.Fatal("the snapshot was refused")
	}
	o.Send(make([]byte, 1<<10))
	if frames, _, _ := o.After(0); len(frames) != 2 || o.Code() != 0 {
		t.Errorf("%d frames wait, closed with %d", len(frames), o.Code())
	}
}

// TestOutboxAcceptsOneLargeFrame checks that an empty outbox accepts a frame above the
// limit, since the frame would not become smaller.
func TestOutboxAcceptsOneLargeFrame(t *testing.T) {
	o := &Outbox{}
	if !o.Offer(make([]byte, softLimit+1), false) {
		t.Error("an empty outbox refused a large frame")
	}
	if o.Offer([]byte("x"), false) {
		t.Error("a second frame was accepted")
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
		t.Errorf("bye %v, want the first; %d frames, want none", bye, len(frames))
	}
	if woken < 2 {
		t.Errorf("wake was called %d times, want at least twice", woken)
	}
}
