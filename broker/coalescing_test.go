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

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// quietly is a test with a broker by hand whose view knows a page that NATS was
// just told of, as revision 1.
func quietly(t *testing.T, test func(t *testing.T, b *Broker, v *View, k presence.Key)) {
	synctest.Test(t, func(t *testing.T) {
		b := byHand()
		v, _ := viewByHand(b)
		k := page("r", "user-1", "a")
		b.Hold(k, focused(at(1, "x"), 1000))
		ack(b, take(t, b), 1)
		test(t, b, v, k)
	})
}

func dateIn(v *View, room string) (date string) {
	v.Room(room, func(entries []presence.Entry, _ int) { date = entries[0].DateGMT })
	return date
}

func nothingToWrite(t *testing.T, b *Broker, when string) {
	t.Helper()
	if _, msg := b.next(); msg != nil {
		t.Errorf("%s: written %s %v", when, msg.Data, msg.Header)
	}
}

func TestDateAloneIsWrittenNowAndThen(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		for second := 2; second <= 10; second++ {
			time.Sleep(time.Second)
			b.Hold(k, focused(at(second, "x"), int64(1000*second)))
			nothingToWrite(t, b, fmt.Sprint("second ", second))
			if want := at(second, "x").DateGMT; dateIn(v, "r") != want {
				t.Fatalf("here it is shown as of %s, want %s", dateIn(v, "r"), want)
			}
		}
		time.Sleep(time.Second)
		b.Hold(k, at(11, "x"))
		if msg := take(t, b); msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "" {
			t.Error("a beat is written on a condition")
		}
	})
}

func TestDateThatWaitsComesWithTheWheel(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		time.Sleep(9 * time.Second)
		b.Hold(k, at(10, "x"))
		var msg *nats.Msg
		for range 11 * 5 { // 20 s after the first, at five steps a second
			time.Sleep(b.step())
			b.renewSlot()
			if _, msg = b.next(); msg != nil {
				break // a renewal may follow it, where the key is at home
			}
		}
		if msg == nil {
			t.Fatal("it is not written")
		}
		var s presence.Stored
		if err := json.Unmarshal(msg.Data, &s); err != nil || s.DateGMT != at(10, "x").DateGMT {
			t.Errorf("written: %s", msg.Data)
		}
		if got := msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != "1" {
			t.Errorf("it expects revision %q", got) // the page may have moved meanwhile
		}
		if ack(b, msg, 2); b.holds(k).written != confirmed {
			t.Error("it is not known to be there")
		}
	})
}

func TestWhatIsNewIsWrittenAtOnce(t *testing.T) {
	for name, change := range map[string]func(*presence.Stored){
		"screen": func(s *presence.Stored) { s.Data = json.RawMessage(`{"screen":"y"}`) },
		"name":   func(s *presence.Stored) { s.DisplayName = "Grace" },
		"avatar": func(s *presence.Stored) { s.AvatarURL = "https://example.org/a.png" },
		"user":   func(s *presence.Stored) { s.UserID = 2 },
	} {
		quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
			b.Hold(k, at(2, "x"))
			nothingToWrite(t, b, "the date alone")
			s := at(3, "x")
			change(&s)
			b.Hold(k, s)
			if _, msg := b.next(); msg == nil {
				t.Errorf("a new %s waits", name)
			}
		})
	}
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		b.Hold(page("r2", "user-1", "a"), at(2, "x"))
		take(t, b)
		b.Leave(k)
		take(t, b)
		b.Hold(k, at(3, "x"))
		if it := b.holds(k); it.pending != newValue {
			t.Error("a page that came back waits")
		}
	})
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		_ = b.Put(k, at(2, "x")) // which nobody renews
		take(t, b)
	})
}

// Which of two tabs has the focus is told at once, to and fro.
func TestFocusIsToldAtOnce(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, one presence.Key) {
		two := page("r", "user-1", "b")
		b.Hold(two, at(1, "x"))
		ack(b, take(t, b), 2)
		for i, k := range []presence.Key{two, one, two, one} {
			focus := 2000 + 10*int64(i)
			b.Hold(k, focused(at(1, "x"), focus))
			ack(b, take(t, b), uint64(i)+3)
			b.Hold(k, focused(at(2, "x"), focus+5))
			nothingToWrite(t, b, "still the same tab")
		}
	})
	synctest.Test(t, func(t *testing.T) { // without a view nobody knows which is shown
		b := byHand()
		k := page("r", "user-1", "a")
		b.Hold(k, at(1, "x"))
		ack(b, take(t, b), 1)
		b.Hold(k, at(2, "x"))
		take(t, b)
	})
}

// What waits is not lost when a page is hidden or the broker closes, and lives
// one TTL from the beat.
func TestDateThatWaitsIsFlushed(t *testing.T) {
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		time.Sleep(9 * time.Second)
		b.Hold(k, at(10, "x"))
		time.Sleep(5 * time.Second)
		b.StopRenewing(k)
		msg := take(t, b)
		if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "55s" {
			t.Errorf("hidden, it lives %q", ttl)
		}
	})
	quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
		b.Hold(k, at(2, "x"))
		b.flush()
		take(t, b)
	})
}

// The page went to another node and came back, in the seconds in which a date waits.
func TestRivalOfADateThatWaits(t *testing.T) {
	for date, held := range map[int]bool{2: true, 4: false} {
		quietly(t, func(t *testing.T, b *Broker, v *View, k presence.Key) {
			b.Hold(k, at(3, "x"))
			hear(b, k, theirs(k, at(date, "x")), 2)
			if (b.holds(k) != nil) != held {
				t.Fatalf("there since second %d, here since 3, and held: %v", date, !held)
			}
			if held {
				ack(b, take(t, b), 3)
				if it := b.holds(k); it == nil || it.written != confirmed {
					t.Error("given up")
				}
			}
		})
	}
}

// However pages beat, NATS hears of each key within a third of the TTL, so that
// two thirds are left, of a date within maxLate, of one that alone has moved not
// more often than it must; and a page that beats every 20 s never looks idle.
func TestNobodyExpiresOrLooksIdle(t *testing.T) {
	for _, ttl := range []time.Duration{testTTL, time.Minute, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(Config{TTL: ttl, Node: "here", Logger: slog.New(slog.DiscardHandler)})
			b.link, b.down = &link{}, nil
			viewByHand(b)
			r := rand.New(rand.NewPCG(uint64(ttl), 1))
			type history struct {
				key                 presence.Key
				beat, written, told time.Time // the last beat, write, and the beat that NATS knows of
				next                time.Time
				every               time.Duration // 0: at random, up to 20 s
			}
			pages := map[string]*history{}
			for i := range 300 {
				h := &history{key: page("r", fmt.Sprint("user-", i), "a"), every: []time.Duration{0, time.Second, 15 * time.Second, 20 * time.Second, time.Hour}[i%5]}
				h.next = time.Now().Add(time.Duration(r.Int64N(int64(20 * time.Second))))
				pages[kvSubject+h.key.String()] = h
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
					case date.Equal(h.told):
						renewals++
					case h.every == time.Second && !h.told.IsZero() && date.Sub(h.told) < min(ttl/6, dateInterval):
						t.Fatalf("TTL %v: a date alone was written %v after another", ttl, date.Sub(h.told))
					}
					h.written, h.told = now, date
					rev++
					ack(b, msg, rev)
				}
				for _, h := range pages {
					if h.beat.IsZero() {
						continue
					}
					if gap := now.Sub(h.written); gap > ttl/3+late {
						t.Fatalf("TTL %v, a beat every %v: nothing was written for %v", ttl, h.every, gap)
					}
					if age := now.Sub(h.told); h.every < time.Hour && age > 20*time.Second+late {
						t.Fatalf("TTL %v, a beat every %v: others know of one that is %v old", ttl, h.every, age)
					}
				}
			}
			t.Logf("TTL %v: %d writes, %d of them renewals", ttl, rev, renewals)
		})
	}
}

// Where there is no other node, no watch says when a key ends: the wheel does, to
// the step.
func TestEndWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := byHand()
		b.exclusive = true
		_, d := viewByHand(b)
		for i := range 50 {
			_ = b.Put(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
			ack(b, take(t, b), uint64(i+1))
		}
		began := time.Now()
		for len(b.items) > 0 {
			if time.Sleep(b.step()); time.Since(began) > 2*b.ttl {
				t.Fatal("nobody left")
			}
			b.renewSlot()
			left := d.heard(presence.Left, "")
			if after := time.Since(began); left > 0 && after <= b.ttl || left < 50 && after > b.ttl+3*b.step() {
				t.Fatalf("%d left after %v", left, after)
			}
		}
	})
}
