package broker

import (
	"time"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Hold writes the value of a page that is here, and renews it every third of the TTL until
// StopRenewing or Leave. Holding a key again replaces the value. Hold does not wait for
// NATS. This node's views change at once, and those of other nodes too unless only the
// date has changed. A value that is refused leaves the entry as it was. The error is a
// *budget.Error, presence.ErrTooLarge, ErrClosed, or says why the data is not a JSON object.
//
// When another node writes the key, the page has moved there: this node stops renewing it
// and purges nothing. While another node holds the key, Hold changes nothing: only TakeOver
// does.
func (b *Broker) Hold(k presence.Key, s presence.Stored) error {
	return b.put(k, s, write{hold: true})
}

// Put writes a value once, for a client that only POSTs. It ends with its TTL. While another
// node holds the key, Put changes nothing. The errors are those of Hold.
func (b *Broker) Put(k presence.Key, s presence.Stored) error { return b.put(k, s, write{}) }

// PutUntil is Put for an entry that expires at a time of its own, by Now. The bucket keeps no value
// longer than a TTL, so this node renews it until then: if the node stops, the entry ends
// within a TTL.
func (b *Broker) PutUntil(k presence.Key, s presence.Stored, until time.Time) error {
	return b.put(k, s, write{until: until})
}

// write says how a value is written.
type write struct {
	hold    bool
	until   time.Time // zero for a value without an end of its own
	arrival Arrival
}

func (b *Broker) put(k presence.Key, s presence.Stored, w write) error {
	s.Held, s.ExpiresGMT = w.hold, ""
	if !w.until.IsZero() {
		s.ExpiresGMT = w.until.UTC().Format(time.DateTime)
	}
	var usual [256]byte // on the stack; longer than most keys
	name := k.Append(usual[:0])
	value, err := presence.Normalize(k, s, b.node, b.last(name))
	if err != nil {
		b.logLimited("presence entry refused", "key", k.String(), "error", err)
		return err
	}
	err = b.keep(name, k, value, w)
	b.budgets.Report(err)
	return err
}

// keep makes a value that of its item, and queues it.
func (b *Broker) keep(name []byte, k presence.Key, value *presence.Stored, w write) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checkPause()
	takesOver := b.entitles(w.arrival)
	if !takesOver && b.items[string(name)] == nil && b.heldElsewhere(string(name)) {
		return nil
	}
	it, err := b.charged(name, k, value)
	if err != nil {
		return err
	}
	shown, coalesce := "", !b.exclusive && !takesOver && it.value != nil && b.onlyDateChanged(it, value)
	if coalesce {
		shown = b.shownConn(it)
	}
	switch {
	case takesOver:
		it.unproven = it.unproven || b.heldElsewhere(it.name)
	case it.written == confirmed:
		it.unproven = false
	}
	it.away, it.lost = time.Time{}, false
	it.value = value
	it.goal = expiring
	if w.hold {
		it.goal = renewed
	}
	if takesOver || !w.hold {
		it.arrival = w.arrival
	}
	it.until = time.Now().Add(b.ttl)
	if !w.until.IsZero() {
		it.until = time.Now().Add(w.until.Sub(b.Now()))
		b.planEnd(it)
	}
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

// last returns the value that this node has given a key, or nil.
func (b *Broker) last(name []byte) *presence.Stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[string(name)]; it != nil {
		return it.value
	}
	return nil
}

// charged returns the item of a key, and makes it if there is none. It counts the value in the
// budgets of the site. The lock is held.
func (b *Broker) charged(name []byte, k presence.Key, value *presence.Stored) (*item, error) {
	if b.closed {
		return nil, ErrClosed
	}
	it, had := b.items[string(name)], int64(0)
	if it != nil {
		had = it.size
	} else if err := b.budgets.Entries.Take(k.Site, 1); err != nil {
		return nil, err
	}
	size := markerSize(name) + int64(value.Size())
	if err := b.budgets.EntryBytes.Take(k.Site, size-had); err != nil {
		if it == nil {
			b.budgets.Entries.Give(k.Site, 1)
		}
		return nil, err
	}
	if it == nil {
		it = b.add(name, k)
	}
	it.size = size
	return it, nil
}

// add makes the item of a key. The lock is held.
func (b *Broker) add(name []byte, k presence.Key) *item {
	it := &item{name: string(name), site: k.Site, conn: k.Conn}
	b.items[it.name] = it
	if b.ofSite[it.site] == nil {
		b.ofSite[it.site] = map[*item]bool{}
	}
	b.ofSite[it.site][it] = true
	b.wheel.Add(it, it.name)
	return it
}

// markerSize returns how many bytes NATS stores for a key that was deleted, at most.
func markerSize[K []byte | string](name K) int64 { return int64(budget.EntryOverhead + len(name)) }

// StopRenewing lets the entry end with its TTL, for the page of a hidden tab.
func (b *Broker) StopRenewing(k presence.Key) {
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

// SetIdle marks the entry of a page whose user has become idle. It changes neither the
// date nor the end of an entry that is not renewed. It does nothing if this node has no
// such key.
func (b *Broker) SetIdle(k presence.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil || it.leaves() || it.value.Idle == presence.Idle {
		return
	}
	value := *it.value
	value.Idle = presence.Idle
	it.value = &value
	b.refreshViews(it)
	it.repeat()
	it.unconfirm()
	b.enqueue(it)
}

// Leave deletes the key now, if this node wrote it last.
func (b *Broker) Leave(k presence.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[k.String()]; it != nil && it.goal != removed {
		it.lost = false
		b.leave(it)
	}
}

// leave is called with the lock held.
func (b *Broker) leave(it *item) {
	it.goal, it.pending, it.arrival = purged, nothing, 0
	if it.written == unsent && !it.busy {
		b.dropExpired(it)
		return
	}
	b.refreshViews(it)
	b.enqueue(it)
}

// Remove deletes the key whichever node wrote it. A node that holds it stops until its page
// beats again. Remove does not wait for NATS.
func (b *Broker) Remove(k presence.Key) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	name := k.String()
	it := b.items[name]
	if it == nil { // of another node: a removal is never refused
		it = b.add([]byte(name), k)
		it.size = markerSize(name)
		b.budgets.Entries.Add(k.Site, 1)
		b.budgets.EntryBytes.Add(k.Site, it.size)
	}
	it.goal, it.pending, it.arrival = removed, nothing, 0
	it.until = time.Now().Add(b.ttl) // by then the entry has expired anyway
	b.refreshViews(it)
	b.enqueue(it)
	return nil
}

// remoteChange handles a revision of a key that a watch has brought: stored is nil if the
// key was deleted, and byRemove reports that Remove deleted it. The lock is held.
func (b *Broker) remoteChange(name string, stored *presence.Stored, rev uint64, byRemove bool) {
	it := b.items[name]
	if it == nil || it.goal == removed || stored != nil && stored.Node == b.node {
		return
	}
	switch {
	case it.goal == purged:
		if stored != nil && it.written == confirmed && rev > it.rev {
			b.drop(it) // the page is on another node now: the purge expects an older revision, and deletes nothing
		}
	case it.written != confirmed: // the ack of this node's write will show which one is newer
		if stored != nil || byRemove {
			it.foreignRev = max(it.foreignRev, rev)
			it.unproven = it.unproven || stored != nil
		}
	case rev <= it.rev:
	case stored != nil || byRemove: // the page is on another node now, or was removed
		b.drop(it)
	case b.renews(it, time.Now()): // another client deleted the key, or it expired too early
		it.rev = rev
		it.unconfirm()
		it.repeat()
		b.enqueue(it)
	default:
		b.drop(it)
	}
}

// drop ends an item. The lock is held.
func (b *Broker) drop(it *item) {
	delete(b.items, it.name)
	if delete(b.ofSite[it.site], it); len(b.ofSite[it.site]) == 0 {
		delete(b.ofSite, it.site)
	}
	b.wheel.Remove(it)
	marker := markerSize(it.name)
	b.budgets.Entries.Give(it.site, 1)
	b.budgets.EntryBytes.Give(it.site, it.size-marker)
	b.budgets.EntryBytes.GiveLater(it.site, marker, time.Now())
	if it.queued != nil {
		b.queue.Remove(it.queued)
		it.queued = nil
	}
	b.refreshViews(it)
}

// learn takes a revision of a key from an ack or a look-up, and how long ago NATS stored it. The lock is held.
func (b *Broker) learn(it *item, stored *presence.Stored, rev uint64, age time.Duration) {
	if b.revisions.Epoch() == b.epoch {
		b.revisions.Learn(bucket.Write{Name: it.name, Rev: rev, Conn: it.conn, Stored: stored, Age: age}, b.clock())
	}
}

// dropExpired ends an item whose key is not in the bucket. It removes the key from the views too. The lock is
// held.
func (b *Broker) dropExpired(it *item) {
	if _, stored, _ := b.revisions.Get(it.name); stored != nil && stored.Node == b.node {
		b.revisions.Forget(it.name)
	}
	b.drop(it)
}

// refreshViews updates the item's key in this node's views. The lock is held.
func (b *Broker) refreshViews(it *item) { b.refreshKey(it.site, it.name) }
