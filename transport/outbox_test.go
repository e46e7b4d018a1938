package transport

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
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
	want := func(frames string, last uint64, bytes int) {
		t.Helper()
		all, n, _ := o.After(0)
		if got := string(slices.Concat(all...)); got != frames || n != last || o.bytes != bytes {
			t.Errorf("%q up to %d, of which %d bytes wait; want %q up to %d, %d bytes", got, n, o.bytes, frames, last, bytes)
		}
	}
	send := func(frame string) { o.Send([]byte(frame)) }
	send("1,")
	send("2,")
	send("3,")
	o.Sent(0, 2)
	want("1,2,3,", 3, 2)
	o.Sent(0, 2) // the next stream has written them again
	want("1,2,3,", 3, 2)
	o.Sent(0, 1) // a stream that was replaced
	want("1,2,3,", 3, 2)
	o.Sent(2, 3)
	want("3,", 3, 0)
	large := strings.Repeat("x", softLimit)
	send(large)
	if o.Offer([]byte("5,"), false) {
		t.Error("a frame above the limit was accepted")
	}
	o.Sent(3, 4)
	if want(large, 4, 0); drained != 1 || !o.Offer([]byte("5,"), false) {
		t.Errorf("a client that has caught up: drained was called %d times", drained)
	}
	o.Sent(4, 5)
	want("5,", 5, 0)
	o.Sent(7, 4)
	want("5,", 5, 0)
	o.Sent(5, 5)
	if want("", 5, 0); o.frames != nil || o.one[0] != nil {
		t.Error("an outbox without frames keeps a buffer")
	}
	send(large)
	send("7,")
	o.Sent(5, 7)
	want("", 7, 0) // too many bytes to stay
	send("8,")
	o.Sent(7, 8)
	send("9,")
	o.Ack(8)
	want("9,", 9, 2)
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
