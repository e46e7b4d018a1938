// Package room sends the changes of presence to the pages that hear of them.
//
// A change goes this way:
//
//	rooms.go     finds the room, if pages of this node hear it
//	room.go      gathers the changes of a room, and sends each page one frame
//	frame.go     writes the frames
//	prefix.go    caches the part of an entry's JSON that does not change
//
// A site also has the lists that ticks carry (online.go, activeposts.go). notifier.go
// tells the pages that show active posts when these have changed.
package room

import (
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Listener is a page that hears rooms. Its methods do not wait, and call no room.
type Listener interface {
	// Offer sends a presence frame of a room, unless the page reads too slowly. Such a
	// page calls the room's CatchUp later. A minor frame may wait for others.
	Offer(r *Room, frame []byte, minor bool)
	// UserID returns the page's user, or 0.
	UserID() int64
	// TakesDates reports whether presence frames for the page may have dates.
	TakesDates() bool
	// Deliver sends a push with its position in the stream of pushes, or a nudge with the
	// zero Cursor. NATS stored it at a time of this machine's clock.
	Deliver(frame []byte, at topic.Cursor, stored time.Time)
	// Send sends a frame.
	Send(frame []byte)
}

// Rooms are the rooms of one site that pages of this node hear, and the site's lists. The
// zero value is ready to use.
type Rooms struct {
	Online   OnlineList
	Active   ActivePosts
	Notifier Notifier
	// FannedOut takes the time until all pages of a room had a presence frame in their queues;
	// nil: nobody asks.
	FannedOut func(kind string, took time.Duration)

	mu     sync.Mutex // guards byName, and users of each room
	byName map[string]*Room
}

// Change takes a change of the site's presence. It is called under the view's lock.
func (r *Rooms) Change(c presence.Change) {
	if _, ok := wordpress.ParsePostRoom(c.Entry.Room); ok {
		r.Active.changed()
		if c.Kind != presence.Seen && !c.IdleOnly { // people become idle too often for a nudge each time
			r.Notifier.Changed()
		}
	}
	if room := r.Room(c.Entry.Room); room != nil {
		room.change(c)
	}
}

// SetTitle takes the new title of the post of a room; nil if it has not changed. issuedMS is when
// WordPress reported it, in Unix ms.
func (r *Rooms) SetTitle(room string, title *string, issuedMS int64, now time.Time) {
	if post, ok := wordpress.ParsePostRoom(room); ok && title != nil {
		r.Active.setTitle(post.ID, *title, issuedMS, now)
		r.Notifier.Changed()
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

// Join adds a page to the listeners of a room and sends it a snapshot. The page then gets
// every later change, until Leave. view is the site's view.
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
		room = &Room{name: name, view: view, fannedOut: r.FannedOut}
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
