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

// entry is what a watch says.
type entry struct {
	jetstream.KeyValueEntry
	name  string
	value []byte // nil: a marker
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

// viewByHand is a view whose watch is played by the test.
func viewByHand(b *Broker) (*View, *diary) {
	d := &diary{}
	v := &View{b: b, site: "site", onChange: d.add, lists: map[string]listing{}, ready: make(chan struct{})}
	v.revisions.Begin(b.epoch)
	b.views["site"] = []*View{v}
	return v, d
}

// A page leaves a new bucket before it was written there; the view still has
// what it heard of the old one.
func TestLeaveBeforeItIsSaidAgain(t *testing.T) {
	b := byHand()
	b.log = slog.New(slog.DiscardHandler)
	v, d := viewByHand(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	ack(b, take(t, b), 1)
	b.useLink(&link{}, &jetstream.StreamInfo{Created: time.Now()}, 1)
	v.revisions.Begin(b.epoch)
	b.Leave(k)
	v.snapshotDone()
	d.want(t, "joined user-1, left user-1")
}

// A purge whose ack was lost: what a look-up found is newer than what the
// watch still brings.
func TestEchoAfterALookup(t *testing.T) {
	b := byHand()
	v, d := viewByHand(b)
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	first := take(t, b)
	value, _ := json.Marshal(b.holds(k).value)
	ack(b, first, 1)
	b.Leave(k)
	take(t, b) // and nobody hears of it
	it := b.items[k.String()]
	b.lookingUp = 1
	b.lookedUp(lookup{it: it}, &jetstream.RawStreamMsg{Sequence: 2}, nil)
	v.update(entry{name: k.String(), value: value, rev: 1})
	v.update(entry{name: k.String(), rev: 2})
	d.want(t, "joined user-1, left user-1")
	if v.revisions.Knows(k.String(), 1) {
		t.Error("something is remembered")
	}
}

// unlocked is an entry whose value is only looked at without the broker's lock.
type unlocked struct {
	entry
	b    *Broker
	seen int
}

func (e *unlocked) Value() []byte {
	if e.b.mu.TryLock() {
		e.b.mu.Unlock()
		e.seen++
	}
	return e.entry.Value()
}

// What other nodes write is parsed while others write: without the one lock.
func TestEntriesAreParsedWithoutTheLock(t *testing.T) {
	b := byHand()
	v, d := viewByHand(b)
	k := page("r", "user-1", "a")
	value, _ := json.Marshal(in(k, at(1, "x")))
	e := &unlocked{entry: entry{name: k.String(), value: value, rev: 1}, b: b}
	v.update(e)
	d.want(t, "joined user-1")
	if e.seen == 0 {
		t.Error("the entry was read under the lock")
	}
}

// A lost connection ends what the supervisor has requested over it.
func TestLostConnectionCancelsRequests(t *testing.T) {
	b := byHand()
	asked, cancel := context.WithCancel(t.Context())
	b.cancelBind = cancel
	b.disconnected(nats.ErrDisconnected)
	if asked.Err() == nil || b.Ready() == nil {
		t.Error("the supervisor still waits for an answer")
	}
}
