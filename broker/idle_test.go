package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a page reports decides; where none reports anything, the date does.
func TestIsIdle(t *testing.T) {
	now := time.Date(2026, 11, 23, 5, 20, 40, 0, time.UTC)
	for _, c := range []struct {
		idle Activity
		at   int
		want bool
	}{
		{Unreported, 10, false}, {Unreported, 9, true},
		{Active, 9, false}, {Active, 40, false},
		{Idle, 9, true}, {Idle, 40, true},
	} {
		e := at(c.at, "x").Entry
		if e.Idle = c.idle; e.IsIdle(now) != c.want {
			t.Errorf("%+v is idle: %v", c, !c.want)
		}
	}
}

// Of several pages of one person any active one makes them active; where the page
// that is shown reports nothing and no other is active, its date decides.
func TestFoldIdle(t *testing.T) {
	reports := func(conn string, a Activity, focus int64) (Key, Stored) {
		k := page("r", "user-1", conn)
		s := in(k, focused(at(1, "x"), focus))
		s.Idle = a
		return k, s
	}
	for _, c := range []struct {
		shown, other, want Activity
	}{
		{Active, Idle, Active}, {Idle, Active, Active}, {Idle, Idle, Idle}, {Idle, Unreported, Idle},
		{Unreported, Idle, Unreported}, {Unreported, Active, Active}, {Active, Unreported, Active},
	} {
		var f Fold
		_, _ = f.Put(reports("a", c.shown, 2))
		_, _ = f.Put(reports("b", c.other, 1))
		if got := f.Room("site", "r")[0].Idle; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	var f Fold
	_, _ = f.Put(reports("a", Idle, 2))
	if got, _ := f.Put(reports("b", Active, 1)); len(got) != 1 || got[0].Kind != Updated || !got[0].IdleOnly || got[0].Entry.Idle != Active {
		t.Errorf("another page is active: %+v", got)
	}
	if got, _ := f.Put(reports("b", Active, 1)); len(got) != 0 {
		t.Errorf("it is said again: %+v", got)
	}
	b, s := reports("b", Active, 1)
	if got := f.Remove(b); len(got) != 1 || got[0].Entry.Idle != Idle {
		t.Errorf("it is closed: %+v", got)
	}
	s.Data = []byte(`{"screen": "y"}`)
	_, _ = f.Put(b, s)
	if got, _ := f.Put(reports("a", Active, 0)); len(got) != 1 || got[0].IdleOnly {
		t.Errorf("another screen is shown: %+v", got)
	}
}

// SetIdle is told at once, on the condition that nobody else wrote the key, and
// moves neither the date nor the end.
func TestSetIdle(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, k Key) {
		shows := func(a Activity) {
			t.Helper()
			if e := v.fold.Room("site", "r"); len(e) != 1 || e[0].Idle != a || e[0].DateGMT != at(1, "x").DateGMT {
				t.Errorf("%+v, want %v", e, a)
			}
		}
		b.SetIdle(page("r", "user-2", "a")) // of nobody
		time.Sleep(time.Second)
		b.SetIdle(k)
		shows(Idle)
		msg := take(t, b)
		if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "1" || msg.Header.Get(jetstream.MsgTTLHeader) != "" {
			t.Errorf("%v", msg.Header)
		}
		ack(b, msg, 2)
		b.SetIdle(k)
		nothingToWrite(t, b, "it was idle")

		s := at(1, "x")
		s.Idle = Active
		b.Hold(k, s)
		shows(Active)
		ack(b, take(t, b), 3)
		b.StopRenewing(k)
		time.Sleep(20 * time.Second)
		b.SetIdle(k) // the tab is hidden
		shows(Idle)
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
		if it := b.items[k.String()]; it.written != confirmed || it.value.Idle != Idle {
			t.Errorf("%+v", it)
		}
		time.Sleep(2 * time.Second)
		b.Hold(k, func() Stored { s := at(3, "x"); s.Idle = Idle; return s }())
		nothingToWrite(t, b, "a date alone waits")
	})
}
