package broker

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Filter says which entries of a site are meant. The zero value means all.
type Filter struct {
	Room     string // of this room
	Prefix   string // of rooms whose names begin so
	ClientID string // of this client id
	UserID   int64  // of this user
}

// List is those entries, however many: by room, in each date_gmt descending,
// then client id. It leaves out the first skip, gives at most n, and says how
// many there are in all.
func (v *View) List(f Filter, skip, n int) (entries []Entry, total int) {
	var all []*Entry
	v.each(f, func(_ string, m *member) {
		if f.UserID == 0 || m.entry().UserID == f.UserID {
			all = append(all, m.entry())
		}
	})
	slices.SortFunc(all, func(a, b *Entry) int { // not under the lock: a value never changes
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(b.DateGMT, a.DateGMT), cmp.Compare(a.ClientID, b.ClientID))
	})
	for _, e := range all[min(skip, len(all)):min(skip+n, len(all))] {
		entries = append(entries, *e)
	}
	return entries, len(all)
}

// Keys is the keys of those entries, one for each connection, in no order.
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

// Held says whether the link of a page keeps this key, on whatever node, or kept
// it until just now: what PHP writes for a page comes seconds after its beat, and
// must not outlive the page.
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

// justNow is as long as PHP may take to write what a beat said.
const recentTime = 5 * time.Second

// maxGone bounds the keys that are known to have gone just now.
const maxRecent = 10_000

// gone is when keys went that links kept. The zero value is empty.
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

// each calls fn, under the lock, with the members that f means but for the user.
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
