package broker

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// These play NATS by hand, where the order of what it says must not matter.

// byHand is a broker whose writes are taken by the test.
func byHand() *Broker {
	b := newBroker(Config{TTL: time.Minute, Node: "here", Logger: slog.New(slog.DiscardHandler)})
	b.link, b.down = &link{}, nil
	return b
}

func take(t *testing.T, b *Broker) *nats.Msg {
	t.Helper()
	_, msg := b.next()
	if msg == nil {
		t.Fatal("nothing to write")
	}
	return msg
}

func ack(b *Broker, msg *nats.Msg, rev uint64) { b.completed(msg.Reply, rev, nil) }

func hear(b *Broker, k presence.Key, stored *presence.Stored, rev uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remoteChange(k.String(), stored, rev, false)
}

func theirs(k presence.Key, s presence.Stored) *presence.Stored {
	s = in(k, s)
	s.Node = "there"
	return &s
}

// Another node's write is heard of before the ack of ours.
func TestWhoWroteLastHoldsThePage(t *testing.T) {
	k := page("r", "user-1", "a")
	for _, c := range []struct {
		name         string
		foreign, own uint64
		holds        bool
	}{
		{"they came after us", 10, 9, false},
		{"they came before us", 8, 9, true},
	} {
		b := byHand()
		b.Hold(k, at(1, "x"))
		msg := take(t, b)
		hear(b, k, theirs(k, at(2, "x")), c.foreign)
		if b.holds(k) == nil {
			t.Errorf("%s: given up before it was clear", c.name)
		}
		ack(b, msg, c.own)
		if (b.holds(k) != nil) != c.holds {
			t.Errorf("%s: holds: %v", c.name, b.holds(k) != nil)
		}
		hear(b, k, theirs(k, at(2, "x")), 8) // what the watch was late with
		if (b.holds(k) != nil) != c.holds {
			t.Errorf("%s: an old write ended it", c.name)
		}
		hear(b, k, theirs(k, at(3, "x")), 11)
		if b.holds(k) != nil {
			t.Errorf("%s: does not let go", c.name)
		}
	}
}

// A page that came back while our claim is on its way keeps the newer claim.
func TestRivalOfAnOlderValue(t *testing.T) {
	k := page("r", "user-1", "a")
	b := byHand()
	b.Hold(k, at(1, "x"))
	msg := take(t, b)
	b.Hold(k, at(3, "y"))
	hear(b, k, theirs(k, at(2, "x")), 10)
	ack(b, msg, 9)
	msg = take(t, b)
	if msg.Header.Get(jetstream.ExpectedLastSubjSeqHeader) != "" {
		t.Error("a new value is written only on a condition")
	}
	if ack(b, msg, 11); b.holds(k) == nil {
		t.Error("the page is here, and given up")
	}
}

func TestOnlyTheFirstWriteIsUnconditional(t *testing.T) {
	synctest.Test(t, onlyTheFirst)
}

func onlyTheFirst(t *testing.T) {
	k := page("r", "user-1", "a")
	b := byHand()
	expected := func(want string) *nats.Msg {
		t.Helper()
		msg := take(t, b)
		if got := msg.Header.Values(jetstream.ExpectedLastSubjSeqHeader); len(got) > 1 || len(got) == 1 && got[0] != want || len(got) == 0 && want != "" {
			t.Errorf("expects revision %q, want %q", got, want)
		}
		return msg
	}
	renew := func() {
		for range slots {
			time.Sleep(b.step())
			b.renewSlot()
		}
	}
	b.Hold(k, at(1, "x"))
	b.completed(expected("").Reply, 0, nats.ErrTimeout)
	b.down = nil
	ack(b, expected("0"), 5)
	renew()
	ack(b, expected("5"), 6)
	renew()
	b.completed(expected("6").Reply, 0, nats.ErrTimeout)
	b.down = nil
	ack(b, expected("6"), 7)
	b.Hold(k, at(2, "x"))
	ack(b, expected(""), 8)
	b.Leave(k)
	ack(b, expected("8"), 9)
	if len(b.items)+b.queue.Len()+len(b.inFlight) != 0 {
		t.Error("something is left of it")
	}
}

// What is found when a write did not find what it expected.
func TestDecide(t *testing.T) {
	k := page("r", "user-1", "a")
	mine := in(k, at(5, "x"))
	mine.Node = "here"
	for _, c := range []struct {
		name    string
		there   *presence.Stored
		rev     uint64 // of what is there
		acked   bool
		leaving bool
		held    bool
		next    string // what the next write expects
	}{
		{"renewing, nothing there", nil, 0, true, false, true, "0"},
		{"renewing, a marker there", nil, 9, true, false, true, "9"},
		{"renewing, ours after all", &mine, 9, true, false, true, "9"},
		{"renewing, theirs", theirs(k, at(1, "x")), 9, true, false, false, ""},
		{"renewing, a replica that lags", theirs(k, at(1, "x")), 3, true, false, true, "4"},
		{"again, theirs is older", theirs(k, at(4, "x")), 9, false, false, true, "9"},
		{"again, theirs is newer", theirs(k, at(6, "x")), 9, false, false, false, ""},
		{"again, theirs is as new", theirs(k, at(5, "x")), 9, false, false, false, ""},
		{"leaving, ours after all", &mine, 9, false, true, true, "9"},
		{"leaving, theirs", theirs(k, at(1, "x")), 9, false, true, false, ""},
		{"leaving, nothing there", nil, 0, false, true, false, ""},
		{"leaving, a marker there", nil, 9, false, true, false, ""},
	} {
		b := byHand()
		b.Hold(k, at(5, "x"))
		ack(b, take(t, b), 4)
		it := b.items[k.String()]
		it.written, it.pending = unconfirmed, repetition
		if c.acked {
			it.written = confirmed
		}
		if c.leaving {
			it.goal, it.pending = purged, nothing
		}
		msg := &jetstream.RawStreamMsg{Sequence: c.rev}
		if c.there != nil {
			msg.Data, _ = json.Marshal(c.there)
		}
		it.busy, b.lookingUp = true, 1
		if c.rev == 0 {
			b.lookedUp(lookup{it: it}, nil, jetstream.ErrMsgNotFound)
		} else {
			b.lookedUp(lookup{it: it}, msg, nil)
		}
		if (b.holds(k) != nil) != c.held {
			t.Errorf("%s: kept: %v", c.name, !c.held)
		} else if c.held {
			if got := take(t, b).Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != c.next {
				t.Errorf("%s: the next write expects %q, want %q", c.name, got, c.next)
			}
		}
	}
}

// A refusal for good is not repeated at once: the next renewal tries again.
func TestRefusedWriteWaitsItsTurn(t *testing.T) {
	b := byHand()
	errs, log := newErrorLog()
	b.log = log
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	b.completed(take(t, b).Reply, 0, &jetstream.APIError{ErrorCode: 10077, Description: "maximum bytes exceeded"})
	if b.queue.Len() != 0 || b.down != nil || errs.String() == "" {
		t.Errorf("queued: %d, down: %v, logged: %q", b.queue.Len(), b.down, errs)
	}
	for range slots {
		b.renewSlot()
	}
	take(t, b)
}

func TestLookupThatFails(t *testing.T) {
	b := byHand()
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	take(t, b)
	it := b.items[k.String()]
	b.lookingUp = 1
	b.lookedUp(lookup{it: it}, nil, errors.New("no answer"))
	if b.Ready() == nil || it.place == nil {
		t.Error("forgotten")
	}
}

// What could not be written in time gets no second TTL.
func TestLatePutLivesTheRestOfItsTime(t *testing.T) {
	b := byHand()
	k := page("r", "user-1", "poll")
	b.Put(k, at(1, "x"))
	msg := take(t, b)
	if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "" {
		t.Errorf("in time, and lives %s", ttl)
	}
	b.completed(msg.Reply, 0, nats.ErrTimeout)
	b.down = nil
	b.items[k.String()].until = time.Now().Add(9500 * time.Millisecond)
	msg = take(t, b)
	if ttl := msg.Header.Get(jetstream.MsgTTLHeader); ttl != "10s" {
		t.Errorf("late, and lives %q", ttl)
	}
	ack(b, msg, 1)
	if rest := time.Until(b.items[k.String()].until); rest > 10*time.Second {
		t.Errorf("kept for %v", rest)
	}
}

// Acks of a connection that was closed don't come.
func TestFlightsOfAClosedConnection(t *testing.T) {
	b := byHand()
	k, gone := page("r", "user-1", "a"), page("r", "user-2", "a")
	b.Hold(k, at(1, "x"))
	b.Hold(gone, at(1, "x"))
	late := take(t, b)
	ack(b, take(t, b), 1)
	b.Leave(gone)
	take(t, b)
	b.useLink(&link{nc: new(nats.Conn)}, &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: 1}}, 1)
	ack(b, late, 2) // of no interest any more
	if b.holds(k).written == confirmed || b.queue.Len() != 2 || len(b.inFlight) != 0 {
		t.Errorf("queued %d, in flight %d", b.queue.Len(), len(b.inFlight))
	}
}

// A bucket that is younger, or of the same age but with fewer revisions, is another.
func TestAnotherBucket(t *testing.T) {
	created := time.Now()
	for name, info := range map[string]jetstream.StreamInfo{
		"younger":       {Created: created.Add(time.Second), State: jetstream.StreamState{LastSeq: 100}},
		"made anew":     {Created: created, State: jetstream.StreamState{LastSeq: 3}},
		"the very same": {Created: created, State: jetstream.StreamState{LastSeq: 100}},
	} {
		b := byHand()
		b.link.created = created
		b.Hold(page("r", "user-1", "a"), at(1, "x"))
		ack(b, take(t, b), 99)
		b.useLink(&link{}, &info, b.lastSeq)
		if again := b.queue.Len() == 1; again == (name == "the very same") {
			t.Errorf("%s: written again: %v", name, again)
		}
	}
}
