package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/recent"
)

// View is a live view of the rooms of a site: the entries of the bucket, and this node's
// own entries, which it shows at once and also while NATS cannot be reached.
type View struct {
	b        *Broker
	site     string
	onChange func(presence.Change)
	closed   chan struct{}

	mu     sync.Mutex // guards the following; acquired after the broker's
	fold   presence.Fold
	lists  map[string]listing // by room, until it changes
	recent recent.Keys
}

type listing struct {
	entries []presence.Entry
	total   int
}

// Watch opens a view of a site. It does not wait for NATS: the view has the entries that
// this node knows (see Wait).
//
// onChange receives every change in order, also a Joined for everybody who is present. It
// is called with the locks of the view and of the broker held, so it must not block and must
// not call either of them. The error is ErrClosed.
func (b *Broker) Watch(site string, onChange func(presence.Change)) (*View, error) {
	v := &View{b: b, site: site, onChange: onChange, closed: make(chan struct{}), lists: map[string]listing{}}
	names, err := b.register(v)
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(names, foldedAtOnce) {
		b.fold(v, some)
	}
	return v, nil
}

// foldedAtOnce is the number of keys that a new view folds without letting others have the
// broker's lock.
const foldedAtOnce = 128

// register adds a view and returns the keys of its site.
func (b *Broker) register(v *View) (names []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	b.views[v.site] = append(b.views[v.site], v)
	for it := range b.ofSite[v.site] {
		names = append(names, it.name)
	}
	return slices.AppendSeq(names, b.revisions.Names(v.site)), nil
}

func (b *Broker) fold(v *View, names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range names {
		v.refresh(name)
	}
}

// Filled reports whether the node has had its first snapshot of the bucket. On a busy
// bucket the view may lack a few entries that were written while the snapshot was taken.
func (v *View) Filled() bool {
	select {
	case <-v.b.filled:
		return true
	default:
		return false
	}
}

// Wait returns when the node has had its first snapshot of the bucket, when the view or the
// broker is closed, when ctx ends, or at once if the broker is not ready.
func (v *View) Wait(ctx context.Context) {
	if v.Filled() || v.b.Ready() != nil {
		return
	}
	select {
	case <-v.b.filled:
	case <-v.closed:
	case <-v.b.ctx.Done():
	case <-ctx.Done():
	}
}

// Close ends the view. onChange is not called afterwards. It is called once.
func (v *View) Close() {
	close(v.closed)
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(v.b.views[v.site]), func(other *View) bool { return other == v })
	if v.b.views[v.site] = rest; len(rest) == 0 {
		delete(v.b.views, v.site)
	}
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

// refreshKey updates a key in the views of its site. The lock is held.
func (b *Broker) refreshKey(site, name string) {
	for _, v := range b.views[site] {
		v.mu.Lock()
		v.refresh(name)
		v.mu.Unlock()
	}
}

// refresh updates a key in the fold. Both locks are held.
func (v *View) refresh(name string) {
	var changes []presence.Change
	if key, stored := v.value(name); stored != nil {
		changes = v.fold.PutName(name, key, stored)
	} else {
		if last := v.fold.Value(name); last != nil && last.Held {
			v.recent.Add(name, time.Now())
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
	key, stored, err := v.b.revisions.Get(name)
	if err != nil {
		v.b.logLimited("presence entry ignored", "error", err)
	}
	return key, stored
}
