// Package pageentries has the entries of a page.
package pageentries

import (
	"slices"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// List has the presence entries of one page: one to three. A node has many pages, and a map would
// take ten times the memory.
type List []Entry

// Entry names an entry. The site and the connection of its key are the page's.
type Entry struct {
	Room, ClientID string
	Pinged         bool // by the page's last beat
	Taken          bool // over from other nodes, since the page's hello
}

// Find returns the index of an entry, or -1.
func (l List) Find(k presence.Key) int {
	return slices.IndexFunc(l, func(e Entry) bool { return e.Room == k.Room && e.ClientID == k.ClientID })
}

// Add returns an entry, which the page's last beat pinged for, and adds it if it is missing. The
// pointer is valid until the next call.
func (l *List) Add(k presence.Key) *Entry {
	i := l.Find(k)
	if i < 0 {
		i = len(*l)
		*l = append(*l, Entry{Room: k.Room, ClientID: k.ClientID})
	}
	(*l)[i].Pinged = true
	return &(*l)[i]
}

// Remove removes an entry.
func (l *List) Remove(k presence.Key) {
	if i := l.Find(k); i >= 0 {
		*l = slices.Delete(*l, i, i+1)
	}
}

// ClearPinged is called before the page's next beat, which has pinged for none yet.
func (l List) ClearPinged() {
	for i := range l {
		l[i].Pinged = false
	}
}
