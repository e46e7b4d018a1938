package server

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
)

// Site is one WordPress site, as it is configured.
type Site struct {
	ID      string   `json:"id"`
	Origins []string `json:"origins"` // allowed besides the host itself, as https://example.org
	Secrets []string `json:"secrets"` // sign tickets; two at a time while one replaces the other
	// Upstream is the site's WordPress, as http://127.0.0.1:8000, when
	// heartbeatd stands in front of admin-ajax.php.
	Upstream string `json:"upstream"`
	// SyncAnywhere lets the site's tickets name any address to bring presence
	// to, and not only the upstream and the origins: where neither is known.
	SyncAnywhere bool `json:"-"`
}

// watchLinger is how long a site without sessions is still watched: a page
// that beats by POST comes back within two minutes.
const watchLinger = 3 * time.Minute

// watchWait is the longest a beat waits for a site's first snapshot.
const watchWait = 2 * time.Second

// site is a Site at work: its rooms, watched while somebody needs them.
type site struct {
	Site
	network  string // the id of its network's first site, or its own
	keys     jwt.VerificationKeySet
	broker   *broker.Broker
	upstream *upstream // nil: not in front of a WordPress

	mu       sync.Mutex // guards the following fields
	view     *broker.View
	lastUsed time.Time

	online   onlineList
	active   activePosts
	watchers watchers
	syncs    syncs
	puts     sync.Mutex // held while the API checks an entry and writes it

	roomsMu sync.Mutex // guards rooms; taken after the view's lock
	rooms   map[string]*room
}

func newSite(s Site, b *broker.Broker) *site {
	st := &site{Site: s, network: s.ID, broker: b, rooms: make(map[string]*room)}
	for _, secret := range s.Secrets {
		st.keys.Keys = append(st.keys.Keys, []byte(secret))
	}
	return st
}

// allows says whether pages of the request's origin may talk to this site's
// sessions: the host they came to, and those on the list. A client that is no
// browser names no origin.
func (st *site) allows(r *http.Request) bool {
	return sameOrigin(r) || slices.Contains(st.Origins, r.Header.Get("Origin"))
}

func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// watch returns the live view of the site, opening it if need be. While NATS
// is away the view has what this node knows; the only error is a closed broker.
func (st *site) watch(ctx context.Context) (*broker.View, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lastUsed = time.Now()
	if st.view != nil {
		return st.view, nil
	}
	ctx, cancel := context.WithTimeout(ctx, watchWait)
	defer cancel()
	view, err := st.broker.Watch(ctx, st.ID, st.change)
	if err != nil {
		return nil, err
	}
	st.view = view
	return view, nil
}

// rest stops watching a site that nobody has used for a while.
func (st *site) rest() {
	heard := st.isHeard()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.view != nil && !heard && time.Since(st.lastUsed) > watchLinger {
		st.view.Close()
		st.view = nil
	}
}

// isHeard says whether any page of this node hears a room of the site.
func (st *site) isHeard() bool {
	st.roomsMu.Lock()
	defer st.roomsMu.Unlock()
	return len(st.rooms) > 0
}

// close stops watching.
func (st *site) close() {
	st.watchers.stop()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.view != nil {
		st.view.Close()
		st.view = nil
	}
}

// change hands a change to the room it belongs to. It is called under the
// view's lock and must not take st.mu, which watch holds while it waits.
func (st *site) change(c broker.Change) {
	st.syncs.change(c)
	if _, ok := parsePostRoom(c.Entry.Room); ok {
		st.active.changes.Add(1)
		if c.Kind != broker.Seen {
			st.watchers.poke()
		}
	}
	if r := st.room(c.Entry.Room); r != nil {
		r.change(c)
	}
}

// room is one that somebody hears, or nil.
func (st *site) room(name string) *room {
	st.roomsMu.Lock()
	defer st.roomsMu.Unlock()
	return st.rooms[name]
}

// hearers are the sessions of this node that hear a room.
func (st *site) hearers(name string) []*session {
	r := st.room(name)
	if r == nil {
		return nil
	}
	r.fan.Lock()
	defer r.fan.Unlock()
	return slices.Collect(maps.Keys(r.sessions))
}

// acquire returns a room for a session to join.
func (st *site) acquire(name string, view *broker.View) *room {
	st.roomsMu.Lock()
	defer st.roomsMu.Unlock()
	r := st.rooms[name]
	if r == nil {
		r = &room{name: name, view: view, sessions: make(map[*session]struct{})}
		st.rooms[name] = r
	}
	r.users++
	return r
}

// release takes a session out of a room, and forgets a room without any.
func (st *site) release(r *room, s *session) {
	r.leave(s)
	st.roomsMu.Lock()
	defer st.roomsMu.Unlock()
	if r.users--; r.users == 0 {
		delete(st.rooms, r.name)
	}
}
