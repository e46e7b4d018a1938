package broker

import (
	"bytes"
	"math"
)

// Kind is what happened to an entry.
type Kind int

const (
	Joined  Kind = iota + 1 // the first connection of a client id came to a room
	Updated                 // what is shown of it changed
	Seen                    // only date_gmt moved
	Left                    // its last connection went
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

// Change is one thing that happened in a room (Entry.Room). For Left it
// carries the entry as it was.
type Change struct {
	Site     string
	Kind     Kind
	Entry    Entry
	IdleOnly bool // Updated, but in nothing except Entry.Idle and the date
}

// Fold turns what happens to keys into what happens to rooms. Several keys of
// one client id in one room are one entry: the first brings Joined, the last
// takes it away with Left, and of those between the one focused last is shown. It
// is shown as active if any of them reports that its user is.
// The zero value is empty. It has no lock: its owner has.
type Fold struct {
	byKey map[string]*connection      // by key, which alone does not tell where it is counted, where it holds hashes
	sites map[string]map[string]*room // by name
}

// Put is a key that was written, for the first time or again. The same value
// again changes nothing. A value that is not of the key's room and client id is
// refused with an error and changes nothing.
func (f *Fold) Put(k Key, s Stored) ([]Change, error) {
	name := k.String()
	k, err := originalKey(k, name, &s)
	if err != nil {
		return nil, err
	}
	return f.put(name, k, &s), nil
}

// Remove is a key that is gone.
func (f *Fold) Remove(k Key) []Change {
	return f.remove(k.String())
}

func (f *Fold) put(name string, k Key, s *Stored) []Change {
	var changes []Change
	t := f.byKey[name]
	if t != nil && (t.site != k.Site || t.conn != k.Conn || t.stored.Room != s.Room || t.stored.ClientID != s.ClientID) {
		changes = f.remove(name) // two originals with one hash: the newer has it
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

func (f *Fold) remove(name string) []Change {
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
	return appendChange(nil, t.site, was, is)
}

// room finds a room, or makes it.
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

// inFront is the connection of a client id that is shown, empty if none is.
func (f *Fold) shownConn(site, room, clientID string) string {
	if r := f.sites[site][room]; r != nil {
		if m := r.members[clientID]; m != nil {
			return m.connections[m.shown].conn
		}
	}
	return ""
}

// Room lists who is in a room: date_gmt descending, then client id.
func (f *Fold) Room(site, name string) []Entry {
	entries, _ := f.first(site, name, math.MaxInt)
	return entries
}

// first is the first of them, at most n, and the number of all.
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
	case was == is: // neither there before nor after, or the very same value
		return changes
	case was == nil:
		return append(changes, Change{Site: site, Kind: Joined, Entry: *is})
	case is == nil:
		return append(changes, Change{Site: site, Kind: Left, Entry: *was})
	case !sameButDate(was, is):
		before := *was
		before.Idle = is.Idle
		return append(changes, Change{Site: site, Kind: Updated, Entry: *is, IdleOnly: sameButDate(&before, is)})
	case was.DateGMT != is.DateGMT:
		return append(changes, Change{Site: site, Kind: Seen, Entry: *is})
	}
	return changes
}

func sameButDate(a, b *Entry) bool {
	return a.Room == b.Room && a.ClientID == b.ClientID && a.UserID == b.UserID &&
		a.DisplayName == b.DisplayName && a.AvatarURL == b.AvatarURL && a.Idle == b.Idle && bytes.Equal(a.Data, b.Data)
}
