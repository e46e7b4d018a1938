package broker

import (
	"errors"
	"time"
)

// maxItems bounds what one node keeps of its own: the connections it holds,
// those that lapse, and those whose end NATS has not heard of. At a TTL of
// 60 s so many are 5,000 renewals a second. What comes beyond is refused with
// an error in the log; those people are missing from the rooms, nothing else.
const maxItems = 100_000

var errFull = errors.New("this node holds all the presence that it may")

// Hold says that a page is here: it writes the value now and renews it every
// third of the TTL until Lapse or Leave. Holding a key again replaces the
// value. Nothing waits for NATS; this node's views change at once, and others'
// too unless it is only a date that moves. A value that is too large or no JSON
// object is refused with an error in the log.
//
// When another node writes the key, the page has moved there, and holding
// ends without a purge.
func (b *Broker) Hold(k Key, s Stored) { _ = b.put(k, s, true) }

// Put writes the value once, to live one TTL: clients that only POST. The
// error is why the value was refused.
func (b *Broker) Put(k Key, s Stored) error { return b.put(k, s, false) }

func (b *Broker) put(k Key, s Stored, hold bool) error {
	s.Held = hold
	var usual [usualKey]byte // on the stack
	name := k.appendTo(usual[:0])
	value, err := normalize(k, s, b.node, b.last(name))
	if err != nil {
		b.logLimited("presence refused", "key", k.String(), "error", err)
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	it, err := b.item(name, k)
	if err != nil {
		return err
	}
	shown, coalesce := "", it.value != nil && b.onlyDateMoves(it, value)
	if coalesce {
		shown = b.shownConn(it)
	}
	it.value = value
	it.goal = expiring
	if hold {
		it.goal = renewed
	}
	it.until = time.Now().Add(b.ttl)
	it.beat = b.clock()
	b.refreshViews(it)
	if coalesce && shown != "" && shown == b.shownConn(it) {
		b.delayDate(it)
		return nil
	}
	it.pending = newValue
	it.unconfirm()
	b.enqueue(it)
	return nil
}

// last is the value that this node has given a key, nil if none.
func (b *Broker) last(name []byte) *Stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[string(name)]; it != nil {
		return it.value
	}
	return nil
}

// item finds what this node says of a key, or begins it. The lock is held.
func (b *Broker) item(name []byte, k Key) (*item, error) {
	if b.closed {
		return nil, errClosed
	}
	it := b.items[string(name)]
	if it == nil {
		if len(b.items) >= b.maxItems {
			b.logLimited("presence refused: this node holds all it may", "held", len(b.items))
			return nil, errFull
		}
		it = &item{name: string(name), site: k.Site, conn: k.Conn}
		b.items[it.name] = it
		b.wheel.add(it)
	}
	return it, nil
}

// Lapse stops renewing; the TTL ends it. A hidden tab goes like that.
func (b *Broker) StopRenewing(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil {
		return
	}
	if it.goal == renewed {
		it.goal = expiring
	}
	if it.isLate() { // the TTL begins with the last beat
		it.repeat()
		b.enqueue(it)
	}
}

// SetIdle says that the user of a page has become idle. The date stays, and so
// does the time at which a value that is not renewed ends. It does nothing for a
// key of which this node says nothing.
func (b *Broker) SetIdle(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil || it.leaves() || it.value.Idle == Idle {
		return
	}
	value := *it.value
	value.Idle = Idle
	it.value = &value
	b.refreshViews(it)
	it.repeat()
	it.unconfirm()
	b.enqueue(it)
}

// Leave takes the key away now, if what is there is this node's. If another
// node wrote it, or nobody did, nothing happens.
func (b *Broker) Leave(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil || it.goal == removed {
		return
	}
	it.goal, it.pending = purged, nothing
	if it.written == unsent && !it.busy {
		b.dropExpired(it)
		return
	}
	b.refreshViews(it)
	b.enqueue(it)
}

// Remove takes the key away whoever wrote it: a node that holds it stops until
// its page says again that it is here. Nothing waits for NATS.
func (b *Broker) Remove(k Key) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	it, err := b.item([]byte(k.String()), k)
	if err != nil {
		return err
	}
	it.goal, it.pending = removed, nothing
	it.until = time.Now().Add(b.ttl) // by then it is gone anyway
	b.refreshViews(it)
	b.enqueue(it)
	return nil
}

// witness hears from a watch what became of a key: stored is nil when it is
// gone, and taken says that Remove took it. The lock is held.
func (b *Broker) remoteChange(name string, stored *Stored, rev uint64, taken bool) {
	it := b.items[name]
	if it == nil || it.leaves() || stored != nil && stored.Node == b.node {
		return
	}
	switch {
	case it.isLate() && stored != nil && stored.DateGMT < it.value.DateGMT: // the page was there, and came back
		it.pending = newValue
		it.unconfirm()
		it.rival = max(it.rival, rev)
		b.enqueue(it)
	case it.written != confirmed: // ours is on its way, and its ack will tell which is newer
		if stored != nil || taken {
			it.rival = max(it.rival, rev)
		}
	case rev <= it.rev:
	case stored != nil || taken: // the page has reconnected elsewhere, or must not be seen
		b.drop(it)
	case it.goal == renewed: // somebody took it away, but the page is still here
		it.rev = rev
		it.unconfirm()
		it.repeat()
		b.enqueue(it)
	default:
		b.drop(it)
	}
}

// drop ends what this node has to say of a key. The lock is held.
func (b *Broker) drop(it *item) {
	delete(b.items, it.name)
	b.wheel.remove(it)
	if it.place != nil {
		b.queue.Remove(it.place)
		it.place = nil
	}
	b.refreshViews(it)
}

// learn tells this node's views what NATS has as revision rev of a key. The
// lock is held.
func (b *Broker) learn(it *item, stored *Stored, rev uint64) {
	if b.exclusive {
		return // to outlast the item, of which there is no need
	}
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		if v.revisions.epoch == b.epoch {
			v.revisions.learn(it.name, it.key(), stored, rev)
		}
		v.mu.Unlock()
	}
}

// lapse drops a key that NATS has dropped too, or never got in this bucket;
// views forget what they heard of it as ours. The lock is held.
func (b *Broker) dropExpired(it *item) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		if f := v.revisions.keys[it.name]; f != nil && f.stored != nil && f.stored.Node == b.node {
			delete(v.revisions.keys, it.name)
		}
		v.mu.Unlock()
	}
	b.drop(it)
}

// show brings this node's views up to date. The lock is held.
func (b *Broker) refreshViews(it *item) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		v.refresh(it.name)
		v.mu.Unlock()
	}
}
