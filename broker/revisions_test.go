package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
)

// entry is an entry of a watch.
type entry struct {
	jetstream.KeyValueEntry
	name  string
	value []byte // nil: a delete marker
	rev   uint64
	ago   time.Duration // since NATS has stored it
}

func (e entry) Key() string        { return e.name }
func (e entry) Value() []byte      { return e.value }
func (e entry) Revision() uint64   { return e.rev }
func (e entry) Created() time.Time { return time.Now().Add(-e.ago) }
func (e entry) Operation() jetstream.KeyValueOp {
	if e.value == nil {
		return jetstream.KeyValuePurge
	}
	return jetstream.KeyValuePut
}

// manualView returns a view without a watch: the test calls its methods instead.
func manualView(b *Broker) (*View, *changeRecorder) {
	d := &changeRecorder{}
	v := &View{b: b, site: "site", onChange: d.add, lists: map[string]listing{}}
	b.views["site"] = []*View{v}
	return v, d
}

// TestLeaveBeforeRewrite has a page that leaves before its entry was written to a new
// bucket, while the view still has the entry of the old one.
func TestLeaveBeforeRewrite(t *testing.T) {
	b := manualBroker()
	b.log = slog.New(slog.DiscardHandler)
	_, d := manualView(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	acknowledge(b, nextWrite(t, b), 1)
	b.useLink(&link{}, &jetstream.StreamInfo{Created: time.Now()}, 1)
	b.revisions.Begin(b.epoch, b.clock())
	b.Leave(k)
	d.want(t, "joined user-1, left user-1")
}

// TestWatchBehindLookup loses the ack of a purge. A look-up finds a newer revision than the
// watch has delivered so far.
func TestWatchBehindLookup(t *testing.T) {
	b := manualBroker()
	_, d := manualView(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	first := nextWrite(t, b)
	value, _ := json.Marshal(b.holds(k).value)
	acknowledge(b, first, 1)
	b.Leave(k)
	nextWrite(t, b) // its ack is lost
	it := b.items[k.String()]
	b.lookingUp = 1
	b.lookedUp(lookup{it: it}, &jetstream.RawStreamMsg{Sequence: 2}, nil)
	b.update(entry{name: k.String(), value: value, rev: 1})
	b.update(entry{name: k.String(), rev: 2})
	d.want(t, "joined user-1, left user-1")
	if b.revisions.Knows(k.String(), 1) {
		t.Error("the node still has the deleted key")
	}
}

// TestPurgeWithoutAnswer has a page that has moved to another node, which writes its entry just before this one purges it. NATS does not
// answer to the purge: the view shows the entry as soon as the watch brings it. If this node's own write has no answer either, that may be newer.
func TestPurgeWithoutAnswer(t *testing.T) {
	for name, confirmed := range map[string]bool{"written": true, "perhaps written": false} {
		t.Run(name, func(t *testing.T) {
			b := manualBroker()
			_, d := manualView(b)
			k, want := page("r", "user-1", "a"), "joined user-1, left user-1"
			b.Hold(k, at(1, "x"))
			msg := nextWrite(t, b)
			if confirmed {
				acknowledge(b, msg, 1)
				b.Leave(k)
				nextWrite(t, b)
				want += ", joined user-1"
			} else {
				b.Leave(k)
			}
			b.update(entry{name: k.String(), value: heldThere(k, at(1, "x")).JSON(), rev: 2})
			d.want(t, want)
			if has := b.items[k.String()] != nil; has == confirmed {
				t.Errorf("the node still deletes the entry: %v", has)
			}
		})
	}
}

// TestEntriesAreParsedBeforeTheLock checks that parsing does not block other writers: an
// entry that a view shows is taken only once it is parsed, and that of another site is
// not parsed at all.
func TestEntriesAreParsedBeforeTheLock(t *testing.T) {
	b := manualBroker()
	_, d := manualView(b)
	k := page("r", "user-1", "a")
	stored := in(k, at(1, "x"))
	w := bucket.Write{Name: k.String(), Value: stored.JSON(), Rev: 1}
	if b.take(&w, false) {
		t.Error("a value that a view shows was taken without being parsed")
	}
	w.Conn, w.Stored = k.Conn, &stored
	if !b.take(&w, false) {
		t.Error("the parsed value was not taken")
	}
	d.want(t, "joined user-1")
	renewed := bucket.Write{Name: w.Name, Value: w.Value, Rev: 2}
	if !b.take(&renewed, false) {
		t.Error("the same value again must be parsed")
	}
	k.Site = "other"
	foreign := bucket.Write{Name: k.String(), Value: stored.JSON(), Rev: 3}
	if !b.take(&foreign, false) {
		t.Error("a value of a site without a view must be parsed")
	}
	d.want(t, "joined user-1")
	_, other := watch(t, b, "other")
	other.want(t, "joined user-1")
}

// TestLostConnectionCancelsRequests checks the requests of the supervisor.
func TestLostConnectionCancelsRequests(t *testing.T) {
	b := manualBroker()
	request, cancel := context.WithCancel(t.Context())
	b.cancelBind = cancel
	b.disconnected(nats.ErrDisconnected)
	if request.Err() == nil || b.Ready() == nil {
		t.Error("the request is not cancelled, or the broker is ready")
	}
}

// TestOldEntries brings what NATS has stored an hour ago. It has expired: also if it follows newer entries, in
// the snapshot of another watch, as of a server that was cut off for a while. Only if it follows them in the same watch,
// the clock of NATS is another one: then the entry is shown, and the node asks for the time again.
func TestOldEntries(t *testing.T) {
	for _, c := range []struct {
		name            string
		newer, snapshot bool
		shown           bool
	}{
		{"in the first watch", false, false, false}, {"in another watch", true, true, false}, {"with another clock", true, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := manualBroker()
			_, d := manualView(b)
			now := time.Now()
			b.natsClock.Answered(now, now, now)
			k, want := page("r", "user-1", "a"), ""
			if c.newer {
				b.update(entry{name: k.String(), rev: 1})
			}
			if c.snapshot {
				b.beginSnapshot(b.epoch, nil)
			}
			b.update(entry{name: k.String(), value: foreignValue(k, at(1, "x")).JSON(), rev: 2, ago: time.Hour})
			if c.shown {
				want = "joined user-1"
			}
			if d.String() != want {
				t.Errorf("changes %q, want %q", d, want)
			}
			if (len(b.check) > 0) != c.shown {
				t.Errorf("the clock is asked again: %v", len(b.check) > 0)
			}
		})
	}
}
