package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// withWrittenPage runs a test with a manual broker and view that have a page, which was
// written at this moment as revision 1.
func withWrittenPage(t *testing.T, test func(t *testing.T, b *Broker, v *View, k presence.Key)) {
	synctest.Test(t, func(t *testing.T) {
		b := manualBroker()
		v, _ := manualView(b)
		k := page("r", "user-1", "a")
		b.Hold(k, focused(at(1, "x"), 1000))
		acknowledge(b, nextWrite(t, b), 1)
		test(t, b, v, k)
	})
}

func dateIn(v *View, room string) (date string) {
	v.Room(room, func(entries []presence.Entry, _ int) { date = entries[0].DateGMT })
	return date
}

func wantNoWrite(t *testing.T, b *Broker, when string) {
	t.Helper()
	if _, msg := b.next(); msg != nil {
		t.Errorf("%s: unexpected write %s %v", when, msg.Data, msg.Header)
	}
}

// TestDateIsCoalesced checks that a change of the date alone is written at most every
// dateInterval.
func TestDateIsCoalesced(t *testing.T) {
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		for second := 2; second <= 10; second++ {
			time.Sleep(time.Second)
			b.Hold(k, focused(at(second, "x"), int64(1000*second)))
			wantNoWrite(t, b, fmt.Sprint("second ", second))
			if want := at(second, "x").DateGMT; dateIn(v, "r") != want {
				t.Fatalf("this node shows the date %s, want %s", dateIn(v, "r"), want)
			}
		}
		time.Sleep(time.Second)
		b.Hold(k, at(11, "x"))
		if got := nextWrite(t, b).Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != "1" {
			t.Errorf("the write of a beat expects revision %q, want 1", got) // the page may have moved to another node
		}
	})
}

func TestDelayedDateIsWrittenByWheel(t *testing.T) {
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		time.Sleep(9 * time.Second)
		b.Hold(k, at(10, "x"))
		var msg *nats.Msg
		for range 11 * 5 { // until 20 s after the first beat, at five steps a second
			time.Sleep(b.step())
			b.renewSlot()
			if _, msg = b.next(); msg != nil {
				break // a renewal may follow, in the home slot of the key
			}
		}
		if msg == nil {
			t.Fatal("the delayed date is not written")
		}
		var s presence.Stored
		if err := json.Unmarshal(msg.Data, &s); err != nil || s.DateGMT != at(10, "x").DateGMT {
			t.Errorf("written: %s", msg.Data)
		}
		if got := msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != "1" {
			t.Errorf("the write expects revision %q, want 1", got) // the page may have moved to another node
		}
		if acknowledge(b, msg, 2); b.holds(k).written != confirmed {
			t.Error("the write is not confirmed")
		}
	})
}

func TestOtherChangesAreWrittenAtOnce(t *testing.T) {
	for name, change := range map[string]func(*presence.Stored){
		"screen": func(s *presence.Stored) { s.Data = json.RawMessage(`{"screen":"y"}`) },
		"name":   func(s *presence.Stored) { s.DisplayName = "Grace" },
		"avatar": func(s *presence.Stored) { s.AvatarURL = "https://example.org/a.png" },
		"user":   func(s *presence.Stored) { s.UserID = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
				b.Hold(k, at(2, "x"))
				wantNoWrite(t, b, "after a change of the date alone")
				s := at(3, "x")
				change(&s)
				b.Hold(k, s)
				if _, msg := b.next(); msg == nil {
					t.Errorf("a new %s is not written at once", name)
				}
			})
		})
	}
	t.Run("hold after leave", func(t *testing.T) {
		withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
			b.Hold(page("r2", "user-1", "a"), at(2, "x"))
			nextWrite(t, b)
			b.Leave(k)
			nextWrite(t, b)
			b.Hold(k, at(3, "x"))
			if it := b.holds(k); it.pending != newValue {
				t.Error("a page that came back is not written at once")
			}
		})
	})
	t.Run("put", func(t *testing.T) {
		withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
			_ = b.Put(k, at(2, "x"))
			nextWrite(t, b)
		})
	})
}

// TestFocusIsWrittenAtOnce moves the focus between two tabs.
func TestFocusIsWrittenAtOnce(t *testing.T) {
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, one presence.Key) {
		two := page("r", "user-1", "b")
		b.Hold(two, at(1, "x"))
		acknowledge(b, nextWrite(t, b), 2)
		for i, k := range []presence.Key{two, one, two, one} {
			focus := 2000 + 10*int64(i)
			b.Hold(k, focused(at(1, "x"), focus))
			acknowledge(b, nextWrite(t, b), uint64(i)+3)
			b.Hold(k, focused(at(2, "x"), focus+5))
			wantNoWrite(t, b, "after another beat of the same tab")
		}
	})
	synctest.Test(t, func(t *testing.T) { // without a view the broker does not know which tab is shown
		b := manualBroker()
		k := page("r", "user-1", "a")
		b.Hold(k, at(1, "x"))
		acknowledge(b, nextWrite(t, b), 1)
		b.Hold(k, at(2, "x"))
		nextWrite(t, b)
	})
}

// TestDelayedDateIsFlushed checks that a delayed date is written when the page is hidden or
// the broker closes, and that the entry then lives one TTL from the beat.
func TestDelayedDateIsFlushed(t *testing.T) {
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		time.Sleep(9 * time.Second)
		b.Hold(k, at(10, "x"))
		time.Sleep(5 * time.Second)
		b.StopRenewing(k)
		msg := nextWrite(t, b)
		if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "55s" {
			t.Errorf("the entry of the hidden page has the TTL %q, want 55s", ttl)
		}
	})
	withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		b.Hold(k, at(2, "x"))
		b.flush()
		nextWrite(t, b)
	})
}

// TestRemoteWriteWhileDateIsDelayed has a page that moves to another node while a date of it
// is delayed. The other node keeps it, whichever date is the newer one.
func TestRemoteWriteWhileDateIsDelayed(t *testing.T) {
	for name, second := range map[string]int{"older remote date": 2, "newer remote date": 4} {
		t.Run(name, func(t *testing.T) {
			withWrittenPage(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
				b.Hold(k, at(3, "x"))
				deliver(b, k, foreignValue(k, at(second, "x")), 2)
				if b.holds(k) != nil {
					t.Error("this node still holds the page")
				}
			})
		})
	}
}

// TestWriteIntervals checks three things for pages with different intervals between beats:
// each key is written at least every third of the TTL; NATS has a date that is at most
// maxDateDelay old, so that a page that beats every 20 s is never idle; and a change of the
// date alone is not written more often than every dateInterval.
func TestWriteIntervals(t *testing.T) {
	for _, ttl := range []time.Duration{testTTL, time.Minute, 5 * time.Minute} {
		t.Run(ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(Config{TTL: ttl, Node: "here", Logger: slog.New(slog.DiscardHandler)})
				b.link, b.down, b.health = &link{}, nil, health.Health{}
				manualView(b)
				r := rand.New(rand.NewPCG(uint64(ttl), 1))
				type history struct {
					key                        presence.Key
					beat, written, writtenBeat time.Time // of the last beat, of the last write, and of the last beat that was written
					next                       time.Time
					every                      time.Duration // between two beats; 0: random, up to 20 s
				}
				pages := map[string]*history{}
				for i := range 300 {
					h := &history{key: page("r", fmt.Sprint("user-", i), "a"), every: []time.Duration{0, time.Second, 15 * time.Second, 20 * time.Second, time.Hour}[i%5]}
					h.next = time.Now().Add(time.Duration(r.Int64N(int64(20 * time.Second))))
					pages[keySubject+h.key.String()] = h
				}
				rev, renewals := uint64(0), 0
				late := 2 * b.step()
				for began := time.Now(); time.Since(began) < 4*time.Minute+2*ttl; time.Sleep(b.step()) {
					now := time.Now()
					for _, h := range pages {
						if now.Before(h.next) {
							continue
						}
						s := at(0, "x")
						s.DateGMT = now.Format(time.RFC3339Nano)
						b.Hold(h.key, s)
						h.beat, h.next = now, now.Add(h.every)
						if h.every == 0 {
							h.next = now.Add(time.Duration(r.Int64N(int64(20 * time.Second))))
						}
					}
					b.renewSlot()
					for _, msg := b.next(); msg != nil; _, msg = b.next() {
						h, s := pages[msg.Subject], new(presence.Stored)
						_ = json.Unmarshal(msg.Data, s)
						date, _ := time.Parse(time.RFC3339Nano, s.DateGMT)
						switch {
						case date.Equal(h.writtenBeat):
							renewals++
						case h.every == time.Second && !h.writtenBeat.IsZero() && date.Sub(h.writtenBeat) < min(ttl/6, dateInterval):
							t.Fatalf("a change of the date alone was written %v after the last one", date.Sub(h.writtenBeat))
						}
						h.written, h.writtenBeat = now, date
						rev++
						acknowledge(b, msg, rev)
					}
					for _, h := range pages {
						if h.beat.IsZero() {
							continue
						}
						if gap := now.Sub(h.written); gap > ttl/3+late {
							t.Fatalf("a beat every %v: no write for %v", h.every, gap)
						}
						if age := now.Sub(h.writtenBeat); h.every < time.Hour && age > 20*time.Second+late {
							t.Fatalf("a beat every %v: the written date is %v old", h.every, age)
						}
					}
				}
				t.Logf("%d writes, %d of them renewals", rev, renewals)
			})
		})
	}
}
