package broker

import (
	"container/list"
	"errors"
	"time"
)

// maxItems bounds what one node keeps of its own: the connections it holds,
// those that lapse, and those whose end NATS has not heard of. At a TTL of
// 60 s so many are 5,000 renewals a second. What comes beyond is refused with
// an error in the log; those people are missing from the rooms, nothing else.
const maxItems = 100_000

var errFull = errors.New("this node holds all the presence that it may")

// item is what this node says of a key. The broker's lock guards it.
//
// A write is unconditional only the first time a value is written: the page
// is here now, whoever had it before. Every other write (renewal, repetition,
// purge) expects the revision that we know, so it can never undo what another
// node wrote meanwhile.
type item struct {
	name       string
	site, conn string // of the key; room and client id are in value
	value      *Stored

	until time.Time     // without renewal NATS has it no longer than that
	beat  time.Duration // when the page said value, by the broker's clock
	told  time.Duration // when it said what was sent last
	place *list.Element // in the writer's queue
	rev   uint64        // the last revision we know to be ours to replace
	rival uint64        // a revision that came while ours had none: another node's, or a removal

	index      int32 // in the slot
	home, slot uint8 // in the wheel

	hold    bool // renew it
	leaving bool // purge it
	taking  bool // leaving, whoever wrote it
	due     bool // a write is wanted
	fresh   bool // value has not been sent yet
	late    bool // nor has it, but only its date is new, and waits
	busy    bool // a write or a look-up is on its way
	sent    bool // NATS may have something of ours under this key
	acked   bool // NATS has value, or all but its date, as revision rev
}

// key is as much of the item's as folding asks for.
func (it *item) key() Key { return Key{Site: it.site, Conn: it.conn} }

// Hold says that a page is here: it writes the value now and renews it every
// third of the TTL until Lapse or Leave. Holding a key again replaces the
// value. Nothing waits for NATS; this node's views change at once, and others'
// too unless it is only a date that moves. A value that is too large or no JSON
// object is refused with an error in the log.
//
// When another node writes the key, the page has moved there, and holding
// ends without a purge.
func (b *Broker) Hold(k Key, s Stored) { _ = b.say(k, s, true) }

// Put writes the value once, to live one TTL: clients that only POST. The
// error is why the value was refused.
func (b *Broker) Put(k Key, s Stored) error { return b.say(k, s, false) }

func (b *Broker) say(k Key, s Stored, hold bool) error {
	s.Held = hold
	var usual [usualKey]byte // on the stack
	name := k.appendTo(usual[:0])
	value, err := seal(k, s, b.node, b.last(name))
	if err != nil {
		b.complain("presence refused", "key", k.String(), "error", err)
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	it, err := b.item(name, k)
	if err != nil {
		return err
	}
	before, quiet := "", it.value != nil && b.isQuiet(it, value)
	if quiet {
		before = b.inFront(it)
	}
	it.value = value
	it.hold, it.leaving, it.taking = hold, false, false
	it.until = time.Now().Add(b.ttl)
	it.beat = b.clock()
	b.show(it)
	if quiet && before != "" && before == b.inFront(it) {
		b.tellLater(it)
		return nil
	}
	it.due, it.fresh, it.late, it.acked = true, true, false, false
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
			b.complain("presence refused: this node holds all it may", "held", len(b.items))
			return nil, errFull
		}
		it = &item{name: string(name), site: k.Site, conn: k.Conn}
		b.items[it.name] = it
		b.wheel.add(it)
	}
	return it, nil
}

// Lapse stops renewing; the TTL ends it. A hidden tab goes like that.
func (b *Broker) Lapse(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil {
		return
	}
	it.hold = false
	if it.late { // its TTL begins with the last beat
		it.due = true
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
	if it == nil || it.leaving || it.value.Idle == Idle {
		return
	}
	value := *it.value
	value.Idle = Idle
	it.value = &value
	b.show(it)
	it.due, it.acked = true, false
	b.enqueue(it)
}

// Leave takes the key away now, if what is there is this node's. If another
// node wrote it, or nobody did, nothing happens.
func (b *Broker) Leave(k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil || it.taking {
		return
	}
	it.hold, it.leaving, it.due = false, true, false
	if !it.sent && !it.busy {
		b.lapse(it)
		return
	}
	b.show(it)
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
	it.hold, it.leaving, it.taking, it.due = false, true, true, false
	it.until = time.Now().Add(b.ttl) // by then it is gone anyway
	b.show(it)
	b.enqueue(it)
	return nil
}

// witness hears from a watch what became of a key: stored is nil when it is
// gone, and taken says that Remove took it. The lock is held.
func (b *Broker) witness(name string, stored *Stored, rev uint64, taken bool) {
	it := b.items[name]
	if it == nil || it.leaving || stored != nil && stored.Node == b.node {
		return
	}
	switch {
	case it.late && stored != nil && stored.DateGMT < it.value.DateGMT: // the page was there, and came back
		it.due, it.fresh, it.late, it.acked = true, true, false, false
		it.rival = max(it.rival, rev)
		b.enqueue(it)
	case !it.acked: // ours is on its way, and its ack will tell which is newer
		if stored != nil || taken {
			it.rival = max(it.rival, rev)
		}
	case rev <= it.rev:
	case stored != nil || taken: // the page has reconnected elsewhere, or must not be seen
		b.drop(it)
	case it.hold: // somebody took it away, but the page is still here
		it.rev, it.acked, it.due = rev, false, true
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
	b.show(it)
}

// learn tells this node's views what NATS has as revision rev of a key. The
// lock is held.
func (b *Broker) learn(it *item, stored *Stored, rev uint64) {
	if b.alone {
		return // to outlast the item, of which there is no need
	}
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		if v.mirror.epoch == b.epoch {
			v.mirror.learn(it.name, it.key(), stored, rev)
		}
		v.mu.Unlock()
	}
}

// lapse drops a key that NATS has dropped too, or never got in this bucket;
// views forget what they heard of it as ours. The lock is held.
func (b *Broker) lapse(it *item) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		if f := v.mirror.facts[it.name]; f != nil && f.stored != nil && f.stored.Node == b.node {
			delete(v.mirror.facts, it.name)
		}
		v.mu.Unlock()
	}
	b.drop(it)
}

// show brings this node's views up to date. The lock is held.
func (b *Broker) show(it *item) {
	for _, v := range b.views[it.site] {
		v.mu.Lock()
		v.refresh(it.name)
		v.mu.Unlock()
	}
}
