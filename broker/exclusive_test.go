package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestNothingIsWrittenForNobody checks that a broker whose NATS nobody else can reach shows what
// its pages do, and writes none of it.
func TestNothingIsWrittenForNobody(t *testing.T) {
	b := openAsIs(t, Config{})
	waitReady(t, b, true)
	var d changeRecorder
	v, err := b.Watch("site", d.add)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	k, put := page("r", "user-1", "a"), page("r", "user-2", "b")
	for second := 1; second <= 20; second += 19 {
		if err := b.Hold(k, at(second, "x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(put, at(1, "x")); err != nil {
		t.Fatal(err)
	}
	b.SetIdle(k)
	b.Leave(k)
	if err := b.Remove(put); err != nil {
		t.Fatal(err)
	}
	d.want(t, "joined user-1, seen user-1, joined user-2, updated user-1, left user-1, left user-2")
	state, err := b.link.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.Writes != 0 || s.Entries != 0 || state.State.LastSeq != 0 {
		t.Errorf("%+v, and NATS has stored %d messages", s, state.State.LastSeq)
	}
}

// TestExpiryWithoutWrites checks that the wheel of a broker whose NATS nobody else can reach
// expires entries that were put, and those of pages that have stopped, and no others.
func TestExpiryWithoutWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := manualBroker()
		b.exclusive = true
		_, d := manualView(b)
		for i := range 50 {
			_ = b.Put(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
			_ = b.Hold(page("r", fmt.Sprint("stops-", i), "a"), at(1, "x"))
			_ = b.Hold(page("r", fmt.Sprint("stays-", i), "a"), at(1, "x"))
			b.StopRenewing(page("r", fmt.Sprint("stops-", i), "a"))
		}
		for began := time.Now(); time.Since(began) < 3*b.ttl; {
			time.Sleep(b.step())
			b.renewSlot()
			wantNoWrite(t, b, "at a step of the wheel")
			left := d.count(presence.Left, "")
			if after := time.Since(began); left > 0 && after <= b.ttl || left < 100 && after > b.ttl+3*b.step() {
				t.Fatalf("%d left after %v", left, after)
			}
		}
		if len(b.items) != 50 || d.count(presence.Left, "stays-7") != 0 {
			t.Errorf("%d entries are left", len(b.items))
		}
	})
}
