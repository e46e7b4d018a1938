package server

import (
	"slices"

	"github.com/heartbeatd/heartbeatd/broker"
)

// held are the entries that one page keeps. They are one to three, and pages are
// many: a map would take ten times the memory.
type held []heldEntry

type heldEntry struct {
	room, clientID string
	pinged         bool // by the page's last beat
}

// find returns where an entry is, or -1. The site and the connection of the key
// are the page's own.
func (h held) find(k broker.Key) int {
	return slices.IndexFunc(h, func(e heldEntry) bool { return e.room == k.Room && e.clientID == k.ClientID })
}

// keep notes that the page's last beat pinged for an entry.
func (h *held) keep(k broker.Key) {
	if i := h.find(k); i >= 0 {
		(*h)[i].pinged = true
		return
	}
	*h = append(*h, heldEntry{k.Room, k.ClientID, true})
}

func (h *held) forget(k broker.Key) {
	if i := h.find(k); i >= 0 {
		*h = slices.Delete(*h, i, i+1)
	}
}
