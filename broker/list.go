package broker

import (
	"cmp"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// List returns the selected entries, sorted by room, by date_gmt descending and by client
// id: at most n after the first skip. total is the number of all.
func (v *View) List(f presence.Filter, skip, n int) (entries []presence.Entry, total int) {
	v.mu.Lock()
	all := v.fold.Select(v.site, f)
	v.mu.Unlock()
	slices.SortFunc(all, func(a, b *presence.Entry) int { // without the lock: values do not change
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(b.DateGMT, a.DateGMT), cmp.Compare(a.ClientID, b.ClientID))
	})
	for _, e := range all[min(skip, len(all)):min(skip+n, len(all))] {
		entries = append(entries, *e)
	}
	return entries, len(all)
}

// Heads calls fn with the newest entry of a user in each room whose name has a prefix, in no order. It
// calls fn with the view's lock held.
func (v *View) Heads(prefix string, fn func(*presence.Entry)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fold.Heads(v.site, prefix, fn)
}

// ListAfter returns the selected entries, sorted by room and client id: at most n that follow a
// place, which need not have an entry. A walk that continues after the last entry of each answer
// has every entry once that is there all the time, because a new date does not move an entry.
// more reports that others follow, total is the number of all selected entries.
func (v *View) ListAfter(f presence.Filter, at presence.Place, n int) (entries []presence.Entry, more bool, total int) {
	v.mu.Lock()
	all := v.fold.Select(v.site, f)
	v.mu.Unlock()
	total = len(all)
	all = slices.DeleteFunc(all, func(e *presence.Entry) bool { return presence.PlaceOf(e).Compare(at) <= 0 })
	slices.SortFunc(all, func(a, b *presence.Entry) int { return presence.PlaceOf(a).Compare(presence.PlaceOf(b)) })
	for _, e := range all[:min(n, len(all))] {
		entries = append(entries, *e)
	}
	return entries, len(all) > n, total
}

// Keys returns the keys of the selected entries, one for each connection, in no order.
func (v *View) Keys(f presence.Filter) []presence.Key {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fold.Keys(v.site, f)
}

// Shown returns the values of the connections that are shown for the selected entries, in no
// order. The caller must not change them.
func (v *View) Shown(f presence.Filter) []*presence.Stored {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fold.Shown(v.site, f)
}

// ShownConn returns the connection that is shown for a client id in a room, or "".
func (v *View) ShownConn(room, clientID string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fold.ShownConn(v.site, room, clientID)
}

// Held reports whether the link of a page holds this key, on any node, or held it until a
// few seconds ago. PHP's write for a beat arrives seconds after the beat, and must not bring
// back the entry of a page that has left.
func (v *View) Held(k presence.Key) bool {
	name := k.String()
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.fold.Value(name)
	return s != nil && s.Held || v.recent.Has(name, time.Now())
}
