package broker

import "time"

const (
	// maxQuiet is for how long after a beat that NATS was told of it is not told
	// of another that brings a date alone. A sixth of the TTL, where that is less.
	dateInterval = 10 * time.Second

	// maxLate is how long after that beat the wheel tells of the other, if no third
	// has. A third of the TTL, where that is less.
	//
	// A page that reports no input counts as idle 30 s after its last beat. One that
	// beats every 20 s does so on no node: the date that others have is that of its
	// last beat, at most 20 s old; or a newer one waits, but not longer than the other
	// is 20 s old. With the second that a date in whole seconds may lack, that is 21.
	// And a page that stops counts as idle everywhere at once, because what waits is
	// sent before the 30 s are over.
	maxDateDelay = 20 * time.Second
)

// clock is what items are timed by.
func (b *Broker) clock() time.Duration { return time.Since(b.start) }

// toldWithin says whether NATS was told of a beat of this page that is so recent.
func (b *Broker) sentWithin(it *item, d time.Duration) bool {
	return it.written != unsent && b.clock()-it.sentBeat < d
}

// isQuiet says whether value brings nothing but another date (or focus), soon
// after NATS was told one. The lock is held.
func (b *Broker) onlyDateMoves(it *item, value *Stored) bool {
	return it.goal == renewed && value.Held && it.pending != newValue && b.sentWithin(it, min(b.ttl/6, dateInterval)) &&
		sameButDate(&it.value.Entry, &value.Entry)
}

// inFront is the connection that this node shows of the item's client id, empty
// where it has no view to say so. The lock is held.
func (b *Broker) shownConn(it *item) (conn string) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		conn = v.fold.shownConn(it.site, it.value.Room, it.value.ClientID)
		v.mu.Unlock()
	}
	return conn
}

// tellLater has the wheel write a date that alone has moved, if no beat does
// before. The lock is held.
func (b *Broker) delayDate(it *item) {
	switch it.pending {
	case nothing:
		it.pending = dateWaits
	case repetition:
		it.pending = dateDue
	default:
		return // a date waits already
	}
	b.plan(it, min(b.ttl/3, maxDateDelay))
}

// plan has the wheel come by so long after the beat that NATS was told of last,
// or up to a quarter sooner, so that pages that came together part.
func (b *Broker) plan(it *item, d time.Duration) {
	d -= d / 4 * time.Duration(it.home) / slots
	b.wheel.plan(it, int((it.sentBeat+d-b.clock())/b.step()))
}

// step is how long the wheel stands at each slot.
func (b *Broker) step() time.Duration { return b.ttl / 3 / slots }

// flush writes the dates that wait. The lock is held.
func (b *Broker) flush() {
	for _, it := range b.items {
		if it.isLate() {
			it.repeat()
			b.enqueue(it)
		}
	}
}
