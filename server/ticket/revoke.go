package ticket

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Revocation revokes tickets that were issued before it: those of a user or of one of their
// log-ins, those that name a room, all of a network, or all of a site. If it has a serial, it
// revokes the tickets with a lower one; it applies to tickets without serials by the time.
type Revocation struct {
	User    int64  `json:"user,omitempty"`
	SID     string `json:"sid,omitempty"`
	Room    string `json:"room,omitempty"`
	Network bool   `json:"network,omitempty"` // all tickets of the site's network
	Until   int64  `json:"until_ms"`          // Unix ms, by WordPress's clock
	Serial  int64  `json:"serial,omitempty"`  // of the user's revocations, or of the site's
}

// MaxSerial is the maximum of a serial. JSON numbers up to it are exact everywhere.
const MaxSerial = 1 << 53

// keepRevocations is how long revocations are kept: for longer than any ticket lives, also if the
// clocks were set back by up to an hour between the ticket and the revocation.
const keepRevocations = 2*Life + 2*ClockSkew

// revocations are those that may still concern a ticket that has not expired.
type revocations struct {
	mu        sync.Mutex // guards the following fields
	bySubject map[subject]latest
	swept     time.Time
}

// latest is what the revocations of a subject revoke.
type latest struct {
	limits
	stored   limits    // what those that NATS has revoke
	received time.Time // when the last one was received
}

// limits say which tickets are revoked.
type limits struct {
	until      int64 // the latest time of all, in Unix ms
	untilPlain int64 // the latest time of those without a serial, in Unix ms
	serial     int64 // the highest
}

// none revokes no ticket.
var none = limits{until: noTime, untilPlain: noTime}

// with returns limits that also revoke what a revocation revokes.
func (l limits) with(r Revocation) limits {
	l.until, l.serial = max(l.until, r.Until), max(l.serial, r.Serial)
	if r.Serial == 0 {
		l.untilPlain = max(l.untilPlain, r.Until)
	}
	return l
}

// noTime is a time before that of any ticket, in Unix ms, from which a minute can be subtracted.
const noTime = math.MinInt64 / 2

// justBefore is the time before a revocation in which tickets are revoked by their time, too, also
// if they have its serial: WordPress reads some rights before the serial, as those of super
// administrators. It is short, since after a clock was set back new tickets are refused for as long.
const justBefore = time.Minute

// covers reports whether a ticket was issued before one of the revocations. serial is the
// ticket's serial for this subject.
func (r limits) covers(c *Claims, serial int64) bool {
	issued := c.IssuedAt.UnixMilli()
	if !c.hasSerials() {
		return issued <= r.until
	}
	return serial < r.serial || issued <= r.untilPlain || issued <= r.until && issued > r.until-justBefore.Milliseconds()
}

// subject is what a revocation is about. A user belongs to a network, and a room or a
// whole site to a site.
type subject struct {
	site string // the site, or for a user the first site of its network
	user int64  // everyone: all users of the network
	sid  string // empty: all log-ins of the user
	room string // empty, with no user and no post: all tickets of the site
	post int64  // what the tickets say about a post
}

// everyone is the user of a subject that is all users of a network.
const everyone = -1

// Revoke records a revocation of a site.
func (v *Verifier) Revoke(siteID string, r Revocation) {
	s := subject{site: siteID, room: r.Room}
	switch {
	case r.Network:
		s = subject{site: v.Network(siteID), user: everyone}
	case r.User != 0:
		s = subject{site: v.Network(siteID), user: r.User, sid: r.SID}
	}
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bySubject == nil {
		l.bySubject = make(map[subject]latest)
	}
	l.sweep(time.Now())
	l.add(s, r)
	if post, ok := wordpress.ParsePostRoom(s.room); ok {
		l.add(subject{site: siteID, post: post.ID}, r)
	}
}

// add records a revocation of a subject. It is called with l.mu held.
func (l *revocations) add(s subject, r Revocation) {
	known, found := l.bySubject[s]
	if !found {
		known = latest{limits: none, stored: none}
	}
	known.limits, known.stored, known.received = known.with(r), known.stored.with(r), time.Now()
	l.bySubject[s] = known
}

// covers reports whether a ticket was issued before a revocation of a subject. It is called with
// l.mu held.
func (l *revocations) covers(s subject, c *Claims) bool {
	known, found := l.bySubject[s]
	return found && known.covers(c, c.serial(s))
}

// sweep removes, once a minute, revocations of tickets that have all expired. It is
// called with l.mu held.
func (l *revocations) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for s, known := range l.bySubject {
		if known.isOver(now) {
			delete(l.bySubject, s)
		}
	}
}

// isOver reports whether all tickets that the revocations concern have expired. The clock may have been set
// since: the second difference does not depend on it.
func (r latest) isOver(now time.Time) bool {
	return now.Sub(time.UnixMilli(r.until)) > keepRevocations && now.Sub(r.received) > keepRevocations
}

// Revoked reports whether a verified ticket was revoked as a whole.
func (v *Verifier) Revoked(siteID string, c *Claims) bool {
	network := v.Network(siteID)
	user, _ := c.UserID() // was checked
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.bySubject) == 0 {
		return false
	}
	for _, s := range []subject{{site: siteID}, {site: network, user: everyone}, {site: network, user: user}, {site: network, user: user, sid: c.SID}} {
		if l.covers(s, c) {
			return true
		}
	}
	return false
}

// MayEdit reports whether the user of a page may edit a post that is being edited, and
// whether the page's verified ticket says so, or one of its earlier tickets, from the newest to
// the oldest. What a ticket says about a single post ends when it expires or the post's room is
// revoked.
func (v *Verifier) MayEdit(siteID string, c *Claims, earlier []*Claims, p wordpress.Post) (may, known bool) {
	if slices.Contains(c.Types, p.Type) {
		return p.ID != c.Except, true
	}
	says := c
	if !c.Names(p.ID) {
		names := func(c *Claims) bool { return c.Names(p.ID) && v.Now(siteID).Before(c.ExpiresAt.Time) }
		i := slices.IndexFunc(earlier, names)
		if i < 0 {
			return false, c.PostsCut // asking again would not help: the next ticket has no more room
		}
		says = earlier[i]
	}
	return slices.Contains(says.Editable, p.ID), !v.postRevoked(siteID, says, p.ID)
}

// Names reports whether the ticket says whether its user may edit this single post.
func (c *Claims) Names(post int64) bool {
	return slices.Contains(c.Editable, post) || slices.Contains(c.NotEditable, post)
}

// postRevoked reports whether the room of a post was revoked after a ticket was issued.
func (v *Verifier) postRevoked(siteID string, c *Claims, id int64) bool {
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.covers(subject{site: siteID, post: id}, c)
}

// WithoutRevokedRooms returns claims without the rooms that were revoked after the ticket
// was issued, or the same claims if there are none. The ticket is out of date then, so the
// returned claims have no native handles: PHP answers the page's beats until the page has a
// newer ticket.
func (v *Verifier) WithoutRevokedRooms(siteID string, c *Claims) *Claims {
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.bySubject) == 0 {
		return c
	}
	revoked := func(room string) bool { return l.covers(subject{site: siteID, room: room}, c) }
	if !slices.ContainsFunc(c.Rooms, revoked) {
		return c
	}
	less := *c
	less.user, less.Native = nil, nil
	less.Rooms = slices.DeleteFunc(slices.Clone(c.Rooms), revoked)
	less.user = less.User()
	return &less
}
