// Package room sends the changes of presence to the pages that hear of them.
//
// A change goes this way:
//
//	rooms.go     the rooms of a site that pages of this node hear
//	room.go      one of them: gathers changes, and gives each page one frame
//	frame.go     writes the frames
//	prefix.go    what frames and lists say of a person, kept for the next one
//
// Beside the rooms a site has lists that ticks carry (online.go, activeposts.go), and
// tells pages that show active posts when these have changed (notifier.go).
package room

import (
	"slices"
	"sync"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Listener is a page that hears rooms. Its methods do not wait, and call no room.
type Listener interface {
	// Offer sends a presence frame of a room. A page that is too slow for it calls the
	// room's CatchUp later.
	Offer(r *Room, frame []byte)
	// Deliver sends a push, at its place in the stream of pushes, or a nudge, which has
	// the zero Cursor.
	Deliver(frame []byte, at broker.Cursor)
	// Send sends a frame.
	Send(frame []byte)
}

// Rooms are the rooms of one site that pages of this node hear, and the site's lists. The
// zero value is ready to use.
type Rooms struct {
	Online   OnlineList
	Active   ActivePosts
	Notifier Notifier

	mu     sync.Mutex // guards byName, and users of each room
	byName map[string]*Room
}

// Change takes a change of the site's presence. It is called under the view's lock.
func (r *Rooms) Change(c presence.Change) {
	if _, ok := wordpress.ParsePostRoom(c.Entry.Room); ok {
		r.Active.changed()
		if c.Kind != presence.Seen && !c.IdleOnly { // people become idle too often for a nudge each time
			r.Notifier.changed()
		}
	}
	if room := r.Room(c.Entry.Room); room != nil {
		room.change(c)
	}
}

// Room returns a room that pages hear. It returns nil for any other.
func (r *Rooms) Room(name string) *Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name]
}

// Len returns the number of rooms that pages hear.
func (r *Rooms) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byName)
}

// Listeners returns the pages that hear a room.
func (r *Rooms) Listeners(name string) []Listener {
	room := r.Room(name)
	if room == nil {
		return nil
	}
	room.sendMu.Lock()
	defer room.sendMu.Unlock()
	return slices.Collect(room.listeners.all)
}

// Join has a page hear a room, and sends it a snapshot: it gets everything that happens
// later as changes. Leave ends that. view is the site's.
func (r *Rooms) Join(name string, view *broker.View, l Listener) *Room {
	room := r.acquire(name, view)
	room.join(l)
	return room
}

func (r *Rooms) acquire(name string, view *broker.View) *Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.byName[name]
	if room == nil {
		if r.byName == nil {
			r.byName = make(map[string]*Room)
		}
		room = &Room{name: name, view: view}
		r.byName[name] = room
	}
	room.users++
	return room
}

// Leave takes a page out of a room, and removes a room that no page hears any more.
func (r *Rooms) Leave(room *Room, l Listener) {
	room.leave(l)
	r.mu.Lock()
	defer r.mu.Unlock()
	if room.users--; room.users == 0 {
		delete(r.byName, room.name)
	}
}
