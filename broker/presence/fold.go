package presence

import "math"

// Kind is what happened to an entry.
type Kind int

const (
	Joined  Kind = iota + 1 // the first connection of a client id came to a room
	Updated                 // the shown entry changed
	Seen                    // only date_gmt changed
	Left                    // its last connection left
)

func (k Kind) String() string {
	switch k {
	case Joined:
		return "joined"
	case Updated:
		return "updated"
	case Seen:
		return "seen"
	case Left:
		return "left"
	}
	return "unknown"
}

// Change is a change in a room (Entry.Room). For Left, Entry is the last one.
type Change struct {
	Site     string
	Kind     Kind
	Entry    Entry
	IdleOnly bool   // Updated, but only Entry.Idle and the date changed
	Conn     string // of Left: the connection that left last
}

// Fold turns changes of keys into changes of rooms. Several keys of one client id in one
// room are one entry: the first key brings Joined, the last takes it away with Left. Of
// those between, the one that was focused last is shown, as active if any of them reports
// an active user. The zero value is empty. It is not safe for concurrent use.
type Fold struct {
	byKey map[string]*connection      // by key; a key may contain hashes, so the connection has site and room
	sites map[string]map[string]*room // by name
}

// Put handles a key that was written. The same value again changes nothing. A value of
// another room or client id than the key's is an error and changes nothing.
func (f *Fold) Put(k Key, s Stored) ([]Change, error) {
	name := k.String()
	k, err := originalKey(k, name, &s)
	if err != nil {
		return nil, err
	}
	return f.PutName(name, k, &s), nil
}

// Remove handles a key that was deleted or has expired.
func (f *Fold) Remove(k Key) []Change {
	return f.RemoveName(k.String())
}

// PutName is Put for a key as Key.String returns it and a value that ParseStored or
// Normalize has returned. Of k it uses Site and Conn only. The value is kept and must not
// change.
func (f *Fold) PutName(name string, k Key, s *Stored) []Change {
	var changes []Change
	t := f.byKey[name]
	if t != nil && (t.site != k.Site || t.conn != k.Conn || t.stored.Room != s.Room || t.stored.ClientID != s.ClientID) {
		changes = f.RemoveName(name) // two keys with one hash: the newer one replaces the older
		t = nil
	}
	if t == nil {
		t = &connection{site: k.Site, conn: k.Conn}
		if f.byKey == nil {
			f.byKey = map[string]*connection{}
		}
		f.byKey[name] = t
	}
	was, is := f.room(k.Site, s.Room).put(t, s)
	return appendChange(changes, k.Site, was, is)
}

// RemoveName is Remove for a key as Key.String returns it.
func (f *Fold) RemoveName(name string) []Change {
	t := f.byKey[name]
	if t == nil {
		return nil
	}
	delete(f.byKey, name)
	rooms, room := f.sites[t.site], t.stored.Room
	was, is := rooms[room].remove(t)
	if len(rooms[room].members) == 0 {
		delete(rooms, room)
	}
	if len(rooms) == 0 {
		delete(f.sites, t.site)
	}
	changes := appendChange(nil, t.site, was, is)
	if is == nil {
		changes[0].Conn = t.conn
	}
	return changes
}

// room returns a room, and creates it if it is missing.
func (f *Fold) room(site, name string) *room {
	if f.sites == nil {
		f.sites = map[string]map[string]*room{}
	}
	rooms := f.sites[site]
	if rooms == nil {
		rooms = map[string]*room{}
		f.sites[site] = rooms
	}
	if rooms[name] == nil {
		rooms[name] = &room{members: map[string]*member{}}
	}
	return rooms[name]
}

// Value returns the value of a key, or nil. It must not be changed.
func (f *Fold) Value(name string) *Stored {
	if t := f.byKey[name]; t != nil {
		return t.stored
	}
	return nil
}

// ShownConn returns the connection of a client id that is shown, or "".
func (f *Fold) ShownConn(site, room, clientID string) string {
	if r := f.sites[site][room]; r != nil {
		if m := r.members[clientID]; m != nil {
			return m.connections[m.shown].conn
		}
	}
	return ""
}

// Room returns the entries of a room: date_gmt descending, then client id.
func (f *Fold) Room(site, name string) []Entry {
	entries, _ := f.first(site, name, math.MaxInt)
	return entries
}

// First returns the first MaxListed of them and the number of all.
func (f *Fold) First(site, name string) (entries []Entry, total int) {
	return f.first(site, name, MaxListed)
}

func (f *Fold) first(site, name string, n int) ([]Entry, int) {
	r := f.sites[site][name]
	if r == nil {
		return nil, 0
	}
	list := r.first(n)
	entries := make([]Entry, len(list))
	for i, m := range list {
		entries[i] = *m.entry()
	}
	return entries, len(r.members)
}

func appendChange(changes []Change, site string, was, is *Entry) []Change {
	switch {
	case was == is: // both nil, or the same value
		return changes
	case was == nil:
		return append(changes, Change{Site: site, Kind: Joined, Entry: *is})
	case is == nil:
		return append(changes, Change{Site: site, Kind: Left, Entry: *was})
	case !was.SameButDate(is):
		return append(changes, Change{Site: site, Kind: Updated, Entry: *is, IdleOnly: was.SameButIdleAndDate(is)})
	case was.DateGMT != is.DateGMT:
		return append(changes, Change{Site: site, Kind: Seen, Entry: *is})
	}
	return changes
}
