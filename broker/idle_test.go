package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// SetIdle is told at once, on the condition that nobody else wrote the key, and
// moves neither the date nor the end.
func TestSetIdle(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		shows := func(a presence.Activity) {
			t.Helper()
			if e := v.fold.Room("site", "r"); len(e) != 1 || e[0].Idle != a || e[0].DateGMT != at(1, "x").DateGMT {
				t.Errorf("%+v, want %v", e, a)
			}
		}
		b.SetIdle(page("r", "user-2", "a")) // of nobody
		time.Sleep(time.Second)
		b.SetIdle(k)
		shows(presence.Idle)
		msg := take(t, b)
		if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "1" || msg.Header.Get(jetstream.MsgTTLHeader) != "" {
			t.Errorf("%v", msg.Header)
		}
		ack(b, msg, 2)
		b.SetIdle(k)
		nothingToWrite(t, b, "it was idle")

		s := at(1, "x")
		s.Idle = presence.Active
		b.Hold(k, s)
		shows(presence.Active)
		ack(b, take(t, b), 3)
		b.StopRenewing(k)
		time.Sleep(20 * time.Second)
		b.SetIdle(k) // the tab is hidden
		shows(presence.Idle)
		if msg = take(t, b); msg.Header.Get(jetstream.MsgTTLHeader) != "40s" {
			t.Errorf("it lives for another %s", msg.Header.Get(jetstream.MsgTTLHeader))
		}
		hear(b, k, theirs(k, at(2, "x")), 4) // the page has moved meanwhile
		ack(b, msg, 3)
		b.SetIdle(k)
		if b.items[k.String()] != nil {
			t.Error("another node's key is still ours")
		}
	})
}

// A page becomes idle while its last beat is on its way, or waits.
func TestSetIdleWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := byHand()
		viewByHand(b)
		k := page("r", "user-1", "a")
		b.Hold(k, at(1, "x"))
		first := take(t, b)
		b.SetIdle(k)
		nothingToWrite(t, b, "one write at a time")
		ack(b, first, 1)
		second := take(t, b)
		if second.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "1" {
			t.Errorf("%v", second.Header)
		}
		ack(b, second, 2)
		if it := b.items[k.String()]; it.written != confirmed || it.value.Idle != presence.Idle {
			t.Errorf("%+v", it)
		}
		time.Sleep(2 * time.Second)
		b.Hold(k, func() presence.Stored { s := at(3, "x"); s.Idle = presence.Idle; return s }())
		nothingToWrite(t, b, "a date alone waits")
	})
}
