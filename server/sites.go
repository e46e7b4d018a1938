package server

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/network"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/phpbeats"
	"github.com/heartbeatd/heartbeatd/server/settings"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// maxMembers bounds the sites of one network that a node serves at a time.
const maxMembers = 10_000

// sites are those that a node serves: the configured ones, and others of the networks among them.
type sites struct {
	closed    atomic.Bool // no more sites are added
	broker    *broker.Broker
	log       *slog.Logger
	fannedOut func(string, time.Duration) // of all rooms
	served    atomic.Pointer[settings.Served]

	mu         sync.Mutex       // guards the following fields
	configured map[string]*site // also those that a reload has removed
	members    map[string]*site
	counters   phpbeats.Kept // of other members
}

// newSites makes the configured sites.
func newSites(list []Site, b *broker.Broker, clients *limit.Clients, log *slog.Logger, fannedOut func(string, time.Duration)) (*sites, error) {
	l := &sites{broker: b, log: log, fannedOut: fannedOut, configured: make(map[string]*site), members: make(map[string]*site), counters: make(phpbeats.Kept)}
	checked, err := settings.Check(list, clients, log)
	for id, now := range checked {
		l.add(id, now)
	}
	l.served.Store(settings.NewServed(checked))
	return l, err
}

// add adds a configured site. It is called with l.mu held, or before there are pages.
func (l *sites) add(id string, now *settings.Settings) {
	st := newSite(id, id, new(atomic.Pointer[settings.Settings]), l.broker, l.log)
	st.rooms.FannedOut = l.fannedOut
	st.settings.Store(now)
	l.configured[id] = st
}

// first returns the configured site of an id: the site itself, or the first of its
// network. It returns nil if there is none.
func (l *sites) first(id string) *site {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st := l.configured[id]; st != nil {
		return st
	}
	if st := l.configured[network.Of(id)]; st != nil && st.now().Network {
		return st
	}
	return nil
}

// firstID returns the id of the configured site of an id, if there is one.
func (l *sites) firstID(id string) (first string, known bool) {
	if st := l.first(id); st != nil {
		return st.ID, true
	}
	return "", false
}

// get returns a site. The sites of a network have the secrets and the origins of the first
// one, and rooms of their own. get returns nil if there is no such site, and if the node
// serves maxMembers sites of the network and not this one. Call get only with an id that
// comes from a verified ticket or key, since it adds the site.
func (l *sites) get(id string) *site {
	first := l.first(id)
	if first == nil || first.ID == id {
		return first
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.members[id]
	if st == nil && !l.closed.Load() && l.membersOf(first.ID) < maxMembers {
		st = newSite(id, first.ID, first.settings, l.broker, l.log)
		st.rooms.FannedOut, st.phpBeats = l.fannedOut, l.counters.Take(id)
		l.members[id] = st
	}
	if st != nil {
		st.touch() // under the lock, so that forgetIdle does not remove it
	}
	return st
}

// has reports whether the node serves a site.
func (l *sites) has(id string) bool { st := l.get(id); return st != nil && !st.now().Removed }

// membersOf counts a network's sites without the first. It is called with l.mu held.
func (l *sites) membersOf(network string) (n int) {
	for _, st := range l.members {
		if st.network == network {
			n++
		}
	}
	return n
}

// forgetIdle removes sites that are not configured and that nobody has used for a while. A
// site whose first page comes meanwhile has just been asked for, and stays.
func (l *sites) forgetIdle(used map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.counters.MakeRoom(now)
	for id, st := range l.members {
		if !used[id] && st.isUnused() {
			delete(l.members, id)
			l.counters.Keep(id, st.phpBeats, now)
		}
	}
}

// all returns the configured sites and those of their networks that the node serves.
func (l *sites) all() []*site {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*site, 0, len(l.configured)+len(l.members))
	for _, st := range l.configured {
		all = append(all, st)
	}
	for _, st := range l.members {
		all = append(all, st)
	}
	return all
}

// phpBeats yields the counter of each site.
func (l *sites) phpBeats(yield func(string, *phpbeats.Counter) bool) {
	for _, st := range l.all() {
		if !yield(st.ID, st.phpBeats) {
			return
		}
	}
}

// network returns the id of the first site of a site's network. The sites of a network
// share users and log-ins.
func (l *sites) network(id string) string {
	first, _ := l.firstID(id)
	return cmp.Or(first, id)
}

// keys returns the secrets of a site.
func (l *sites) keys(id string) (jwt.VerificationKeySet, error) {
	first := l.first(id)
	if first == nil || first.now().Removed {
		return jwt.VerificationKeySet{}, ticket.ErrUnknownSite
	}
	return first.now().Keys, nil
}

// knowsOrigin reports whether a request's origin is the host itself or belongs to any
// site. Whether it belongs to the site of the page's ticket is checked later.
func (l *sites) knowsOrigin(r *http.Request) bool {
	if origin.Same(r) {
		return true
	}
	o, err := origin.Parse(r.Header.Get("Origin")) // once, not for each site: it may be long
	if err != nil {
		return false
	}
	return l.served.Load().HasOrigin(o)
}

// view returns the live view of a site that get returns.
func (l *sites) view(ctx context.Context, id string) (*broker.View, error) {
	return l.get(id).watch(ctx)
}
