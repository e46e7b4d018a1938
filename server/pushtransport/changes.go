package pushtransport

import (
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/message"
)

const (
	// roomPace is the time between two pushes of a room that changes all the time. After fastPushes
	// in a row it doubles with each, up to maxRoomPace: each push makes every page beat. Pushes because
	// somebody has come or left are not slowed down before there were fastArrivals of them in a row.
	// One action of a user changes a room several times within a second: the old page removes the row
	// that the new one has written, for example. Therefore a room has quickPushes tokens: each push
	// takes one, and one comes back after each roomPace. With a token left, a push only waits for
	// changesPace.
	roomPace     = time.Second
	quickPushes  = 4
	maxRoomPace  = 10 * time.Second
	fastPushes   = 5
	fastArrivals = 30
	// changesPace is the least time between two pushes of any rooms of a site.
	changesPace = 250 * time.Millisecond
	// maxKnownRooms is the number of rooms whose state a site remembers. When there are more,
	// all are forgotten: the next change of each is pushed even if nobody can see it.
	maxKnownRooms = 10_000
	// recallTime is how long pages are not told of a removed row of a user, so that another page of
	// that user has the time to write it again. More removals in this time do not extend it.
	recallTime = 500 * time.Millisecond
	// expiryMargin is the time from the second in which a row expires until pages are told.
	expiryMargin = 1100 * time.Millisecond
)

// Changes tells the pages of a site which rooms of the Presence API plugin have changed.
// PHP reports the rooms that it has written, and what others can see of them; a room of which
// they see the same as before is not pushed. A room is also pushed when one of its rows has
// expired, which PHP does not notice.
type Changes struct {
	mu    sync.Mutex           // guards the following fields; no other lock is taken under it
	push  func(rooms []string) // called without locks
	known map[string]*knownRoom
	last  time.Time // of the last push
	timer *time.Timer
	due   time.Time // when the timer fires; zero: it does not run
	ended bool
}

// knownRoom is what a node knows of a room.
type knownRoom struct {
	state, members string
	told           string    // the members at the last push
	changed        bool      // since the last push
	row            run       // the pushes in a row
	arrivals       run       // those because somebody has come or left
	pushed         time.Time // when it was last pushed
	full           time.Time // when it has all of its tokens
	expires        time.Time // when its next row expires; zero: not known
	recalled       time.Time // until when a removed row may be written again; zero: no row was removed since the last push
}

// Take takes a report. push is called later, without locks, with the rooms to push.
func (c *Changes) Take(msg message.Message, now time.Time, push func(rooms []string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.push = push
	var first time.Time // when the first of these rooms must be pushed
	for _, r := range msg.Rooms {
		if hasOnlyTitle(r) {
			continue
		}
		k := c.room(r.Room)
		same := r.State == k.state && (r.State != "" || r.Members != "")
		if msg.Beat {
			same = r.Members == k.members && r.Members != ""
		}
		k.state, k.members, k.expires = r.State, r.Members, time.Time{}
		if at := time.Unix(r.Expires, 0).Add(expiryMargin); r.Expires > 0 && at.After(now) {
			k.expires = at
		}
		switch {
		case len(RemovedRows(r)) > 0 && (!k.changed || k.recalled.IsZero()):
			k.recalled = now.Add(recallTime)
		case k.members != "" && k.members == k.told:
			k.recalled = time.Time{} // the row is back
		}
		k.changed = k.changed || !same || r.Forced
		if at := k.next(); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if !first.IsZero() && (c.due.IsZero() || first.Before(c.due)) {
		c.fireAt(first, now)
	}
}

// hasOnlyTitle reports whether a report is about the title of a room's post: no row has changed.
func hasOnlyTitle(r message.RoomState) bool {
	return r.Title != nil && r.State == "" && r.Members == "" && r.Expires == 0 && !r.Forced && len(RemovedRows(r)) == 0
}

// room returns what is known of a room. It is called with c.mu held.
func (c *Changes) room(name string) *knownRoom {
	k := c.known[name]
	if k == nil {
		if c.known == nil || len(c.known) >= maxKnownRooms {
			c.known = make(map[string]*knownRoom)
		}
		k = new(knownRoom)
		c.known[name] = k
	}
	return k
}

// next returns when a room must be pushed; the zero time if it need not be. It is called with
// the lock of its Changes held.
func (k *knownRoom) next() (at time.Time) {
	switch {
	case k.changed:
		if at = k.allowed(); at.Before(k.recalled) {
			at = k.recalled
		}
	case !k.expires.IsZero():
		at = k.expires
	}
	return at
}

// allowed returns when a room may be pushed again.
func (k *knownRoom) allowed() time.Time {
	if pace := k.pace(); pace > roomPace {
		return k.pushed.Add(pace)
	}
	at := k.pushed.Add(changesPace)
	if token := k.full.Add(-(quickPushes - 1) * roomPace); at.Before(token) {
		at = token
	}
	return at
}

// pace returns the time from the last push of a room to the next one, if it has no token.
func (k *knownRoom) pace() time.Duration {
	if k.members != k.told {
		return k.arrivals.pace(fastArrivals)
	}
	return k.row.pace(fastPushes)
}

// setPushed records that a room is pushed.
func (k *knownRoom) setPushed(now time.Time) {
	quick := now.Sub(k.pushed) < roomPace
	k.row.add(now, quick, fastPushes)
	if k.members != k.told {
		k.arrivals.add(now, quick, fastArrivals)
	}
	if k.full.Before(now) {
		k.full = now
	}
	k.full = k.full.Add(roomPace)
	k.changed, k.told, k.pushed, k.expires, k.recalled = false, k.members, now, time.Time{}, time.Time{}
}

// run counts pushes in a row: each comes soon after the one before.
type run struct {
	n    int
	last time.Time
}

// pace returns the least time until the next push, of which the first ones are fast.
func (r *run) pace(fast int) time.Duration {
	return min(roomPace<<max(0, r.n-fast+1), maxRoomPace)
}

// add counts a push, unless it is a quick one.
func (r *run) add(now time.Time, quick bool, fast int) {
	if now.Sub(r.last) > 2*r.pace(fast) {
		r.n = 0
	}
	if r.last = now; !quick {
		r.n = min(r.n+1, fast+fastPushes) // then the pace no longer grows
	}
}

// schedule sets the timer to the next push. It is called with c.mu held.
func (c *Changes) schedule(now time.Time) {
	var at time.Time
	for _, k := range c.known {
		if next := k.next(); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	if at.IsZero() || c.ended {
		c.due = at
		return
	}
	c.fireAt(at, now)
}

// fireAt sets the timer, but not soon after the last push. It is called with c.mu held.
func (c *Changes) fireAt(at, now time.Time) {
	if earliest := c.last.Add(changesPace); at.Before(earliest) {
		at = earliest
	}
	if at.Equal(c.due) {
		return
	}
	c.due = at
	wait := max(0, at.Sub(now))
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.fire)
		return
	}
	c.timer.Reset(wait)
}

// fire pushes the rooms that are due.
func (c *Changes) fire() {
	now := time.Now()
	c.mu.Lock()
	var rooms []string
	if !c.ended {
		c.due = time.Time{}
		for name, k := range c.known {
			if next := k.next(); next.IsZero() || next.After(now) || len(rooms) == message.MaxRooms {
				continue
			}
			k.setPushed(now)
			rooms = append(rooms, name)
		}
		if len(rooms) > 0 {
			c.last = now
		}
		c.schedule(now)
	}
	push := c.push
	c.mu.Unlock()
	if len(rooms) > 0 {
		slices.Sort(rooms)
		push(rooms)
	}
}

// PushedSince reports whether a room was pushed after a time.
func (c *Changes) PushedSince(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.After(t)
}

// Stop ends the pushes.
func (c *Changes) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
}
