package server

import (
	"slices"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// sessionEntries are the presence entries that one page has. A page has one to three
// entries, and a node has many pages: a map would take ten times the memory.
type sessionEntries []sessionEntry

// sessionEntry names an entry. The site and the connection of its key are the page's.
type sessionEntry struct {
	room, clientID string
	pinged         bool // by the page's last beat
	taken          bool // over from other nodes, since the page's hello
}

// find returns the index of an entry, or -1.
func (l sessionEntries) find(k presence.Key) int {
	return slices.IndexFunc(l, func(e sessionEntry) bool { return e.room == k.Room && e.clientID == k.ClientID })
}

// add returns an entry, which the page's last beat pinged for, and adds it if it is missing. The
// pointer is valid until the next call.
func (l *sessionEntries) add(k presence.Key) *sessionEntry {
	i := l.find(k)
	if i < 0 {
		i = len(*l)
		*l = append(*l, sessionEntry{room: k.Room, clientID: k.ClientID})
	}
	(*l)[i].pinged = true
	return &(*l)[i]
}

// remove removes an entry.
func (l *sessionEntries) remove(k presence.Key) {
	if i := l.find(k); i >= 0 {
		*l = slices.Delete(*l, i, i+1)
	}
}

// clearPinged is called before the page's next beat, which has pinged for none yet.
func (l sessionEntries) clearPinged() {
	for i := range l {
		l[i].pinged = false
	}
}
