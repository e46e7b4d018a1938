package room

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/heartbeatd/heartbeatd/broker"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPendingFolds folds two changes of one client id into what a session that
// heard neither, or a snapshot in between, must hear.
func TestPendingFolds(t *testing.T) {
	for _, c := range []struct{ first, second, want broker.Kind }{
		{broker.Joined, broker.Updated, broker.Joined},
		{broker.Joined, broker.Seen, broker.Joined},
		{broker.Joined, broker.Left, broker.Left},
		{broker.Updated, broker.Seen, broker.Updated},
		{broker.Updated, broker.Left, broker.Left},
		{broker.Seen, broker.Updated, broker.Updated},
		{broker.Seen, broker.Left, broker.Left},
		{broker.Left, broker.Joined, broker.Updated},
	} {
		p := pending{kind: c.first}.fold(broker.Change{Kind: c.second, Entry: broker.Entry{DisplayName: "new"}})
		if p.kind != c.want || p.entry.DisplayName != "new" {
			t.Errorf("%v then %v: %v of %q, want %v", c.first, c.second, p.kind, p.entry.DisplayName, c.want)
		}
	}
}

// TestPace waits the longer the more pages hear, within bounds, and remembers no
// more changes than a frame lists.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		pages int
		kind  broker.Kind
		wait  time.Duration
	}{
		{1, broker.Joined, 250 * time.Millisecond},
		{1000, broker.Left, 250 * time.Millisecond},
		{4000, broker.Updated, time.Second},
		{200_000, broker.Joined, 10 * time.Second},
		{1, broker.Seen, 10 * time.Second},
	} {
		r := &Room{listening: c.pages, lastSent: time.Now().Add(time.Hour)}
		for i := range maxChanges + 1 {
			if len(r.pending) != i || r.overflow {
				t.Errorf("after %d changes %d are pending", i, len(r.pending))
			}
			r.change(broker.Change{Kind: c.kind, Entry: broker.Entry{ClientID: strconv.Itoa(i)}})
		}
		if wait := r.due.Sub(r.lastSent); wait != c.wait {
			t.Errorf("%d pages hear %v after %v, want %v", c.pages, c.kind, wait, c.wait)
		}
		if len(r.pending) != 0 || !r.overflow {
			t.Errorf("%d changes are pending, and no snapshot", len(r.pending))
		}
		r.timer.Stop()
	}
}

// TestRoomRests stops the timer of a room that no page hears, and gathers nothing.
func TestRoomRests(t *testing.T) {
	r := &Room{listening: 1, lastSent: time.Now().Add(time.Hour)}
	joined := broker.Change{Kind: broker.Joined, Entry: broker.Entry{ClientID: "user-1"}}
	r.change(joined)
	if len(r.pending) != 1 || r.timer == nil {
		t.Fatalf("%d changes are pending, timer %v", len(r.pending), r.timer)
	}
	r.leave(new(page))
	r.change(joined)
	if len(r.pending) != 0 || r.timer.Stop() {
		t.Errorf("%d changes are pending, or the timer runs", len(r.pending))
	}
}

// page is a Listener that counts nudges.
type page struct{ sent atomic.Int32 }

func (p *page) Offer(*Room, []byte)           {}
func (p *page) Deliver([]byte, broker.Cursor) {}
func (p *page) Send([]byte)                   { p.sent.Add(1) }
