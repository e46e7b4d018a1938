package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// entry is an entry of a watch.
type entry struct {
	jetstream.KeyValueEntry
	name  string
	value []byte // nil: a delete marker
	rev   uint64
}

func (e entry) Key() string      { return e.name }
func (e entry) Value() []byte    { return e.value }
func (e entry) Revision() uint64 { return e.rev }
func (e entry) Operation() jetstream.KeyValueOp {
	if e.value == nil {
		return jetstream.KeyValuePurge
	}
	return jetstream.KeyValuePut
}

// manualView returns a view without a watch: the test calls its methods instead.
func manualView(b *Broker) (*View, *changeRecorder) {
	d := &changeRecorder{}
	v := &View{b: b, site: "site", onChange: d.add, lists: map[string]listing{}, ready: make(chan struct{})}
	v.revisions.Begin(b.epoch)
	b.views["site"] = []*View{v}
	return v, d
}

// TestLeaveBeforeRewrite has a page that leaves before its entry was written to a new
// bucket, while the view still has the entry of the old one.
func TestLeaveBeforeRewrite(t *testing.T) {
	b := manualBroker()
	b.log = slog.New(slog.DiscardHandler)
	v, d := manualView(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	ack(b, nextWrite(t, b), 1)
	b.useLink(&link{}, &jetstream.StreamInfo{Created: time.Now()}, 1)
	v.revisions.Begin(b.epoch)
	b.Leave(k)
	v.snapshotDone()
	d.want(t, "joined user-1, left user-1")
}

// TestWatchBehindLookup loses the ack of a purge. A look-up finds a newer revision than the
// watch has delivered so far.
func TestWatchBehindLookup(t *testing.T) {
	b := manualBroker()
	v, d := manualView(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	first := nextWrite(t, b)
	value, _ := json.Marshal(b.holds(k).value)
	ack(b, first, 1)
	b.Leave(k)
	nextWrite(t, b) // its ack is lost
	it := b.items[k.String()]
	b.lookingUp = 1
	b.lookedUp(lookup{it: it}, &jetstream.RawStreamMsg{Sequence: 2}, nil)
	v.update(entry{name: k.String(), value: value, rev: 1})
	v.update(entry{name: k.String(), rev: 2})
	d.want(t, "joined user-1, left user-1")
	if v.revisions.Knows(k.String(), 1) {
		t.Error("the view still has the deleted key")
	}
}

// lockProbe is an entry that counts the reads of its value without the broker's lock.
type lockProbe struct {
	entry
	b        *Broker
	unlocked int
}

func (e *lockProbe) Value() []byte {
	if e.b.mu.TryLock() {
		e.b.mu.Unlock()
		e.unlocked++
	}
	return e.entry.Value()
}

// TestEntriesAreParsedWithoutLock checks that parsing does not block other writers.
func TestEntriesAreParsedWithoutLock(t *testing.T) {
	b := manualBroker()
	v, d := manualView(b)
	k := page("r", "user-1", "a")
	value, _ := json.Marshal(in(k, at(1, "x")))
	e := &lockProbe{entry: entry{name: k.String(), value: value, rev: 1}, b: b}
	v.update(e)
	d.want(t, "joined user-1")
	if e.unlocked == 0 {
		t.Error("the value was read with the broker's lock held")
	}
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
