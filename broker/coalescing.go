package broker

import (
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/wheel"
)

const (
	// dateInterval is the least time between two writes of an entry in which nothing but
	// the date has changed. It is at most a sixth of the TTL.
	dateInterval = 10 * time.Second

	// maxDateDelay is the age of the last written beat at which the wheel writes a newer
	// date, if no beat has. It is at most a third of the TTL.
	//
	// The entry of a page that does not report input counts as idle 30 s after its last
	// beat. A page that beats every 20 s is therefore idle on no node: the date that other
	// nodes have is at most 20 s old, or 21 s, since dates are in whole seconds. And a page
	// that stops its beats becomes idle everywhere at the same time, since its last date is
	// written before the 30 s are over.
	maxDateDelay = 20 * time.Second
)

// clock returns the time since the broker's start. Items are timed with it.
func (b *Broker) clock() time.Duration { return time.Since(b.start) }

// sentWithin reports whether a beat of this page that is at most d old was written.
func (b *Broker) sentWithin(it *item, d time.Duration) bool {
	return it.written != unsent && b.clock()-it.sentBeat < d
}

// onlyDateChanged reports whether value differs from the item's only in its date (or focus),
// soon after a write. The lock is held.
func (b *Broker) onlyDateChanged(it *item, value *presence.Stored) bool {
	return it.goal == renewed && value.Held && it.pending != newValue && b.sentWithin(it, min(b.ttl/6, dateInterval)) &&
		it.value.SameButDate(&value.Entry)
}

// shownConn returns the connection of the item's client id that this node's view shows, or
// "" if it has no view. The lock is held.
func (b *Broker) shownConn(it *item) (conn string) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		conn = v.fold.ShownConn(it.site, it.value.Room, it.value.ClientID)
		v.mu.Unlock()
	}
	return conn
}

// delayDate makes the wheel write a new date, unless a beat is written before. The lock is
// held.
func (b *Broker) delayDate(it *item) {
	switch it.pending {
	case nothing:
		it.pending = dateWaits
	case repetition:
		it.pending = dateDue
	default:
		return // a date is delayed already
	}
	b.plan(it, min(b.ttl/3, maxDateDelay))
}

// plan moves the item to the slot that the wheel reaches d after the last written beat, or
// up to a quarter of d sooner, so that pages that beat together are spread.
func (b *Broker) plan(it *item, d time.Duration) {
	d -= d / 4 * time.Duration(it.Home()) / wheel.Slots
	b.wheel.Plan(it, int((it.sentBeat+d-b.clock())/b.step()))
}

// step is the time between two slots of the wheel.
func (b *Broker) step() time.Duration { return b.ttl / 3 / wheel.Slots }

// flush makes all delayed dates due. The lock is held.
func (b *Broker) flush() {
	for _, it := range b.items {
		if it.isLate() {
			it.repeat()
			b.enqueue(it)
		}
	}
}
