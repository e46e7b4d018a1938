package broker

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// View is a live view of the rooms of a site: the entries of the bucket, and this node's
// own entries, which it shows at once and also while NATS cannot be reached.
type View struct {
	b        *Broker
	site     string
	onChange func(presence.Change)
	cancel   context.CancelFunc
	ready    chan struct{} // closed after the first snapshot
	done     chan struct{} // closed when its goroutine has ended

	mu        sync.Mutex // guards the following; acquired after the broker's
	revisions bucket.Revisions
	fold      presence.Fold
	lists     map[string]listing // by room, until it changes
	recent    recentlyGone
}

type listing struct {
	entries []presence.Entry
	total   int
}

// Watch opens a view of a site. It does not wait for NATS: at first the view has this
// node's entries only (see Wait).
//
// onChange receives every change in order, including those of the first snapshot. It is
// called with the locks of the view and of the broker held, so it must not block and must
// not call either of them. The error is ErrClosed.
func (b *Broker) Watch(site string, onChange func(presence.Change)) (*View, error) {
	run, cancel := context.WithCancel(b.ctx)
	v := &View{
		b: b, site: site, onChange: onChange, cancel: cancel,
		ready: make(chan struct{}), done: make(chan struct{}),
		lists: map[string]listing{},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		cancel()
		return nil, ErrClosed
	}
	v.revisions.Begin(b.epoch)
	b.views[site] = append(b.views[site], v)
	for name, it := range b.items {
		if it.site == site {
			v.refresh(name)
		}
	}
	b.wg.Go(func() { v.run(run) })
	return v, nil
}

// Filled reports whether the view has had its first snapshot. On a busy site it may lack a
// few entries that were written while the snapshot was taken.
func (v *View) Filled() bool {
	select {
	case <-v.ready:
		return true
	default:
		return false
	}
}

// Wait returns when the view has had its first snapshot, when it is closed, when ctx ends,
// or at once if the broker is not ready.
func (v *View) Wait(ctx context.Context) {
	if v.Filled() || v.b.Ready() != nil {
		return
	}
	select {
	case <-v.ready:
	case <-v.done:
	case <-ctx.Done():
	}
}

// Close ends the view. onChange is not called afterwards.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// Room calls fn with the first 200 entries of a room (date_gmt descending, then client id)
// and the number of all. fn is called with the view's lock held, so a listener that it
// registers misses no change and receives none twice. The entries are shared: fn must not
// change them.
func (v *View) Room(room string, fn func(entries []presence.Entry, total int)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, ok := v.lists[room]
	if !ok {
		l.entries, l.total = v.fold.First(v.site, room)
		if l.total > 0 { // rooms that do not exist are not cached
			v.lists[room] = l
		}
	}
	fn(l.entries, l.total)
}

func (v *View) run(ctx context.Context) {
	defer close(v.done)
	defer v.b.forgetView(v)
	if v.b.exclusive {
		v.snapshotDone()
		<-ctx.Done()
		return
	}
	handler := bucket.Handler{Update: v.update, SnapshotDone: v.snapshotDone, Expire: v.expire}
	for ctx.Err() == nil {
		link, replaced := v.b.current()
		if link == nil {
			select {
			case <-replaced:
			case <-ctx.Done():
			}
			continue
		}
		v.begin(link.epoch)
		err := bucket.Watch(ctx, link.kv, presence.EncodeToken(v.site)+".>", v.b.ttl, replaced, handler)
		if err != nil && ctx.Err() == nil {
			v.b.log.Warn("presence watch ended, trying again", "site", v.site, "error", err)
			v.b.recheck(err)
			pause(ctx, retryWait)
		}
	}
}

// update handles an entry of the watch. It parses the entry without a lock, since the entry
// may be large.
func (v *View) update(e jetstream.KeyValueEntry) {
	key, stored, known := v.known(e)
	if known {
		return // most often from the ack of this node's write
	}
	if stored == nil || !bytes.Equal(e.Value(), stored.JSON()) {
		var err error
		if key, stored, err = bucket.ReadEntry(e); err != nil {
			v.b.logLimited("presence entry ignored", "error", err)
		}
	}
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	v.mu.Lock()
	v.revisions.Update(e.Key(), key, stored, e.Revision())
	v.refresh(e.Key())
	current := v.revisions.Epoch() == v.b.epoch
	v.mu.Unlock()
	if current {
		v.b.remoteChange(e.Key(), stored, e.Revision(), e.Operation() == jetstream.KeyValueDelete)
	}
}

// known reports whether this revision of a key, or a newer one, is known, and returns this
// node's own value of the key.
func (v *View) known(e jetstream.KeyValueEntry) (own presence.Key, value *presence.Stored, known bool) {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	if it := v.b.items[e.Key()]; it != nil {
		own, value = it.key(), it.value
	}
	return own, value, v.revisions.Knows(e.Key(), e.Revision())
}

func (v *View) snapshotDone() {
	select {
	case <-v.ready:
	default:
		close(v.ready)
	}
}

func (v *View) begin(epoch uint64) {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revisions.Begin(epoch)
}

func (v *View) expire() {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range v.revisions.Expire() {
		v.refresh(name)
	}
}

// refresh updates a key in the fold. Both locks are held.
func (v *View) refresh(name string) {
	var changes []presence.Change
	if key, stored := v.value(name); stored != nil {
		changes = v.fold.PutName(name, key, stored)
	} else {
		if last := v.fold.Value(name); last != nil && last.Held {
			v.recent.add(name, time.Now())
		}
		changes = v.fold.RemoveName(name)
	}
	for _, c := range changes {
		delete(v.lists, c.Entry.Room)
		v.onChange(c)
	}
}

// value returns this node's own value of a key, or else that of the bucket.
func (v *View) value(name string) (presence.Key, *presence.Stored) {
	if it := v.b.items[name]; it != nil {
		if it.leaves() {
			return presence.Key{}, nil
		}
		return it.key(), it.value
	}
	return v.revisions.Get(name)
}
