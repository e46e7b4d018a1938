package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestSetIdle checks that SetIdle is written at once, only if no other node wrote the key,
// and that it changes neither the date nor the expiry.
func TestSetIdle(t *testing.T) {
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		shows := func(a presence.Activity) {
			t.Helper()
			if e := v.fold.Room("site", "r"); len(e) != 1 || e[0].Idle != a || e[0].DateGMT != at(1, "x").DateGMT {
				t.Errorf("the view shows %+v, want %v", e, a)
			}
		}
		b.SetIdle(page("r", "user-2", "a")) // an unknown key
		time.Sleep(time.Second)
		b.SetIdle(k)
		shows(presence.Idle)
		msg := nextWrite(t, b)
		if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "1" || msg.Header.Get(jetstream.MsgTTLHeader) != "" {
			t.Errorf("header of the write: %v", msg.Header)
		}
		acknowledge(b, msg, 2)
		b.SetIdle(k)
		wantNoWrite(t, b, "after SetIdle of an idle entry")

		s := at(1, "x")
		s.Idle = presence.Active
		b.Hold(k, s)
		shows(presence.Active)
		acknowledge(b, nextWrite(t, b), 3)
		b.StopRenewing(k)
		time.Sleep(20 * time.Second)
		b.SetIdle(k) // the tab is hidden
		shows(presence.Idle)
		if msg = nextWrite(t, b); msg.Header.Get(jetstream.MsgTTLHeader) != "40s" {
			t.Errorf("the TTL is %s, want 40s", msg.Header.Get(jetstream.MsgTTLHeader))
		}
		deliver(b, k, foreignValue(k, at(2, "x")), 4) // the page has moved meanwhile
		acknowledge(b, msg, 3)
		b.SetIdle(k)
		if b.items[k.String()] != nil {
			t.Error("the key of another node is still held")
		}
	})
}

// TestSetIdleWhileBusy calls SetIdle while the write of a beat is in flight.
func TestSetIdleWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := manualBroker()
		manualView(b)
		k := page("r", "user-1", "a")
		b.Hold(k, at(1, "x"))
		first := nextWrite(t, b)
		b.SetIdle(k)
		wantNoWrite(t, b, "while the first write is in flight")
		acknowledge(b, first, 1)
		second := nextWrite(t, b)
		if second.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "1" {
			t.Errorf("header of the second write: %v", second.Header)
		}
		acknowledge(b, second, 2)
		if it := b.items[k.String()]; it.written != confirmed || it.value.Idle != presence.Idle {
			t.Errorf("item after both acks: %+v", it)
		}
		time.Sleep(2 * time.Second)
		b.Hold(k, func() presence.Stored { s := at(3, "x"); s.Idle = presence.Idle; return s }())
		wantNoWrite(t, b, "after a change of the date alone")
	})
}
