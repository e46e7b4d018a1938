package broker

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Filter selects entries of a site. The zero value selects all.
type Filter struct {
	Room     string // in this room
	Prefix   string // in rooms whose names have this prefix
	ClientID string // of this client id
	UserID   int64  // of this user
}

// List returns the selected entries by room, in each date_gmt descending, then client id:
// without the first skip, at most n, and the number of all.
func (v *View) List(f Filter, skip, n int) (entries []Entry, total int) {
	var all []*Entry
	v.each(f, func(_ string, m *member) {
		if f.UserID == 0 || m.entry().UserID == f.UserID {
			all = append(all, m.entry())
		}
	})
	slices.SortFunc(all, func(a, b *Entry) int { // without the lock: values do not change
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(b.DateGMT, a.DateGMT), cmp.Compare(a.ClientID, b.ClientID))
	})
	for _, e := range all[min(skip, len(all)):min(skip+n, len(all))] {
		entries = append(entries, *e)
	}
	return entries, len(all)
}

// Keys returns the keys of the selected entries, one for each connection, in no order.
func (v *View) Keys(f Filter) (keys []Key) {
	v.each(f, func(room string, m *member) {
		for _, t := range m.connections {
			if f.UserID == 0 || t.stored.UserID == f.UserID {
				keys = append(keys, Key{v.site, room, m.id, t.conn})
			}
		}
	})
	return keys
}

// Held says whether the link of a page holds this key, on any node, or held it until a few
// seconds ago. What PHP writes for a beat arrives seconds after the beat, and must not
// outlive the page.
func (v *View) Held(k Key) bool {
	held := false
	v.each(Filter{Room: k.Room, ClientID: k.ClientID}, func(_ string, m *member) {
		for _, t := range m.connections {
			held = held || t.conn == k.Conn && t.stored.Held
		}
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	return held || time.Since(v.recent.at[k.String()]) < recentTime
}

// recentTime is the time within which PHP writes what a beat contains.
const recentTime = 5 * time.Second

// maxRecent bounds recentlyGone.
const maxRecent = 10_000

// recentlyGone holds the keys that links held and that are gone since at most recentTime.
// The zero value is empty.
type recentlyGone struct {
	at    map[string]time.Time
	swept time.Time
}

func (g *recentlyGone) add(name string, now time.Time) {
	if now.Sub(g.swept) >= recentTime {
		g.swept = now
		maps.DeleteFunc(g.at, func(_ string, at time.Time) bool { return now.Sub(at) >= recentTime })
	}
	if g.at == nil {
		g.at = map[string]time.Time{}
	}
	if len(g.at) < maxRecent {
		g.at[name] = now
	}
}

// each calls fn, with the lock held, for the members that f selects by room and client id.
func (v *View) each(f Filter, fn func(room string, m *member)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	in := func(name string, r *room) {
		if r == nil || !strings.HasPrefix(name, f.Prefix) {
			return
		}
		for _, m := range r.members {
			if f.ClientID == "" || m.id == f.ClientID {
				fn(name, m)
			}
		}
	}
	rooms := v.fold.sites[v.site]
	if f.Room != "" {
		in(f.Room, rooms[f.Room])
		return
	}
	for name, r := range rooms {
		in(name, r)
	}
}
