package room

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPendingFolds folds two changes of one client id into what a session that
// heard neither, or a snapshot in between, must hear.
func TestPendingFolds(t *testing.T) {
	for _, c := range []struct{ first, second, want presence.Kind }{
		{presence.Joined, presence.Updated, presence.Joined},
		{presence.Joined, presence.Seen, presence.Joined},
		{presence.Joined, presence.Left, presence.Left},
		{presence.Updated, presence.Seen, presence.Updated},
		{presence.Updated, presence.Left, presence.Left},
		{presence.Seen, presence.Updated, presence.Updated},
		{presence.Seen, presence.Left, presence.Left},
		{presence.Left, presence.Joined, presence.Updated},
	} {
		p := pending{kind: c.first}.fold(presence.Change{Kind: c.second, Entry: presence.Entry{DisplayName: "new"}})
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
		kind  presence.Kind
		wait  time.Duration
	}{
		{1, presence.Joined, 250 * time.Millisecond},
		{1000, presence.Left, 250 * time.Millisecond},
		{4000, presence.Updated, time.Second},
		{200_000, presence.Joined, 10 * time.Second},
		{1, presence.Seen, 10 * time.Second},
	} {
		r := &Room{listening: c.pages, lastSent: time.Now().Add(time.Hour)}
		for i := range maxChanges + 1 {
			if len(r.pending) != i || r.overflow {
				t.Errorf("after %d changes %d are pending", i, len(r.pending))
			}
			r.change(presence.Change{Kind: c.kind, Entry: presence.Entry{ClientID: strconv.Itoa(i)}})
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
	joined := presence.Change{Kind: presence.Joined, Entry: presence.Entry{ClientID: "user-1"}}
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
