package presence

import (
	"cmp"
	"strings"
)

// Filter selects entries of a site. The zero value selects all.
type Filter struct {
	Room     string // in this room
	Prefix   string // in rooms whose names have this prefix
	ClientID string // of this client id
	UserID   int64  // of this user
	NoUser   bool   // of no user: their user ID is 0
}

// ofUser reports whether the filter selects the entries of a user.
func (f Filter) ofUser(id int64) bool {
	return f.UserID == 0 && !f.NoUser || id == f.UserID
}

// Place is the place of an entry in a list that is sorted by room and client id. The zero value is
// before all entries.
type Place struct{ Room, ClientID string }

// PlaceOf returns the place of an entry.
func PlaceOf(e *Entry) Place { return Place{e.Room, e.ClientID} }

// Compare compares by room, then client id.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Room, other.Room), cmp.Compare(p.ClientID, other.ClientID))
}

// Select returns the selected entries of a site, in no order. The caller must not change
// them; Fold does not change them either.
func (f *Fold) Select(site string, by Filter) (entries []*Entry) {
	f.each(site, by, func(_ string, m *member) {
		if e := m.entry(); by.ofUser(e.UserID) {
			entries = append(entries, e)
		}
	})
	return entries
}

// Keys returns the keys of the selected entries, one for each connection, in no order.
func (f *Fold) Keys(site string, by Filter) (keys []Key) {
	f.each(site, by, func(room string, m *member) {
		for _, t := range m.connections {
			if by.ofUser(t.stored.UserID) {
				keys = append(keys, Key{site, room, m.id, t.conn})
			}
		}
	})
	return keys
}

// Shown returns the values of the connections that are shown for the selected entries, in no
// order. The caller must not change them; Fold does not change them either.
func (f *Fold) Shown(site string, by Filter) (values []*Stored) {
	f.each(site, by, func(_ string, m *member) {
		if s := m.connections[m.shown].stored; by.ofUser(s.UserID) {
			values = append(values, s)
		}
	})
	return values
}

// Heads calls fn with the newest entry of a user in each room whose name has a prefix, in no order.
func (f *Fold) Heads(site, prefix string, fn func(*Entry)) {
	for name, r := range f.sites[site] {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if e := r.head(); e != nil {
			fn(e)
		}
	}
}

// each calls fn for the members that by selects by room and client id.
func (f *Fold) each(site string, by Filter, fn func(room string, m *member)) {
	in := func(name string, r *room) {
		if r == nil || !strings.HasPrefix(name, by.Prefix) {
			return
		}
		for _, m := range r.members {
			if by.ClientID == "" || m.id == by.ClientID {
				fn(name, m)
			}
		}
	}
	rooms := f.sites[site]
	if by.Room != "" {
		in(by.Room, rooms[by.Room])
		return
	}
	for name, r := range rooms {
		in(name, r)
	}
}
