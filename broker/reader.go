package broker

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/health"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// reader watches the bucket, once for all sites, and keeps what it has. The number of
// watches of a bucket is limited in NATS (max_consumers, 1,000 by default in some
// installations), and each costs NATS and this node memory and messages.
func (b *Broker) reader() {
	handler := bucket.Handler{Update: b.update, SnapshotDone: b.snapshotDone}
	for {
		l, replaced := b.awaitLink()
		if l == nil {
			return
		}
		ctx, cancel := context.WithCancel(b.ctx)
		b.beginSnapshot(l.epoch, cancel)
		started := b.clock()
		err := bucket.Watch(ctx, l.kv, presence.KeyFilter(""), replaced, handler)
		cancel()
		if err != nil && b.ctx.Err() == nil {
			b.failedToRead(err, started)
			b.awaitRetry(replaced, b.retryIn())
		}
	}
}

// failedToRead is called if a watch has not begun or has ended.
func (b *Broker) failedToRead(err error, started time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.clock(); now-started > 2*bindWait { // it had begun, and has worked
		started = now
	}
	b.recheck(health.Reading, fmt.Errorf("presence cannot be read: %w", err), started)
	b.health.Tried()
}

func (b *Broker) beginSnapshot(epoch uint64, stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revisions.Begin(epoch, b.clock())
	b.lag.Begin(b.lastSeq)
	b.stored = time.Time{} // the snapshot has older entries than the last watch
	b.stopWatch = stop
}

func (b *Broker) snapshotDone() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.didTask(health.Reading)
	select {
	case <-b.filled:
	default:
		close(b.filled)
	}
}

// update handles an entry of the watch.
func (b *Broker) update(e jetstream.KeyValueEntry) {
	if !b.natsClock.Follows(e.Created(), b.stored) {
		b.checkSoon() // it asks the clock again
	}
	b.stored = e.Created()
	w := bucket.Write{Name: e.Key(), Rev: e.Revision(), Age: b.natsClock.Age(b.stored)}
	// What is older than a Lifetime has expired, and the server of this watch does not know yet.
	if e.Operation() == jetstream.KeyValuePut && w.Age <= bucket.Lifetime(b.ttl) {
		w.Value = e.Value()
	}
	for !b.take(&w, e.Operation() == jetstream.KeyValueDelete) { // without the lock, since the value may be large
		key, stored, err := presence.ParseStored(w.Name, w.Value)
		if err != nil {
			b.logLimited("presence entry ignored", "error", err)
			w.Value = nil
		}
		w.Conn, w.Stored = key.Conn, stored
	}
}

// take takes a revision of a key. It returns false if the value must be parsed first: a view
// shows it, or this node writes the key too. byRemove reports that Remove deleted the key.
func (b *Broker) take(w *bucket.Write, byRemove bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lag.Brought(w.Rev)
	if b.revisions.Knows(w.Name, w.Rev) {
		return true // most often from the ack of this node's write
	}
	it, site := b.items[w.Name], siteOf(w.Name)
	if w.Stored == nil && w.Value != nil {
		w.Conn, w.Stored = b.revisions.Same(w.Name, w.Value)
		if w.Stored == nil && it != nil && it.value != nil && bytes.Equal(w.Value, it.value.JSON()) {
			w.Conn, w.Stored = it.conn, it.value
		}
		if w.Stored == nil && (it != nil || len(b.views[site]) > 0) {
			return false
		}
	}
	b.revisions.Update(*w, b.clock())
	b.refreshKey(site, w.Name)
	if b.revisions.Epoch() == b.epoch {
		b.remoteChange(w.Name, w.Stored, w.Rev, byRemove)
	}
	return true
}

// sweeper removes the entries that nobody has written for a TTL and a margin. NATS
// announces most of them earlier.
func (b *Broker) sweeper() {
	tick := time.NewTicker(bucket.SweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for b.sweep() {
			}
		case <-b.ctx.Done():
			return
		}
	}
}

func (b *Broker) sweep() (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopWatch != nil && b.lag.Exceeds(b.ttl/3, b.lastSeq, b.clock()) {
		b.log.Warn("the watch of presence lags behind NATS, starting it again")
		b.stopWatch()
	}
	names, more := b.revisions.Expire(b.ttl, b.clock())
	for _, name := range names {
		b.refreshKey(siteOf(name), name)
	}
	return more
}

// siteOf returns the site of a key.
func siteOf(name string) string {
	token, _, _ := strings.Cut(name, ".")
	site, _ := presence.DecodeToken(token)
	return site
}
