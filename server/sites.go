package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/network"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/phpbeats"
	"github.com/heartbeatd/heartbeatd/server/proxy"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// maxMembers bounds the sites of one network that a node serves at a time.
const maxMembers = 10_000

// sites are those that a node serves: the configured ones, and others of the networks among them.
type sites struct {
	broker     *broker.Broker
	configured map[string]*site

	mu      sync.Mutex // guards members
	members map[string]*site
}

// newSites makes the configured sites.
func newSites(list []Site, b *broker.Broker, clients *limit.Clients, log *slog.Logger) (*sites, error) {
	l := &sites{broker: b, configured: make(map[string]*site), members: make(map[string]*site)}
	var networks []string
	for _, s := range list {
		if len(s.Secrets) == 0 || len(s.Secrets) > 2 {
			return nil, fmt.Errorf("site %q needs one secret, or two while one replaces the other", s.ID)
		}
		if s.ID == "" || l.configured[s.ID] != nil {
			return nil, fmt.Errorf("site id %q is empty or configured twice", s.ID)
		}
		st, err := newSite(s, b, log)
		if err != nil {
			return nil, fmt.Errorf("site %q: %w", s.ID, err)
		}
		if s.Upstream != "" {
			if st.upstream, err = proxy.New(s.Upstream, clients, log); err != nil {
				return nil, fmt.Errorf("site %q: %w", s.ID, err)
			}
		}
		l.configured[s.ID] = st
		if s.Network {
			networks = append(networks, s.ID)
		}
	}
	return l, network.Check(slices.Collect(maps.Keys(l.configured)), networks)
}

// first returns the configured site of an id: the site itself, or the first of its
// network. It returns nil if there is none.
func (l *sites) first(id string) *site {
	if st := l.configured[id]; st != nil {
		return st
	}
	if st := l.configured[network.Of(id)]; st != nil && st.Network {
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
	if st == nil && l.membersOf(first.ID) < maxMembers {
		own := first.Site
		own.ID = id
		st, _ = newSite(own, l.broker, first.log) // the first one had no error
		st.upstream, st.network, st.rooms.FannedOut = first.upstream, first.ID, first.rooms.FannedOut
		l.members[id] = st
	}
	if st != nil {
		st.touch() // under the lock, so that forgetIdle does not remove it
	}
	return st
}

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
	for id, st := range l.members {
		if !used[id] && st.isUnused() {
			delete(l.members, id)
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
		if !yield(st.ID, &st.phpBeats) {
			return
		}
	}
}

// network returns the id of the first site of a site's network. The sites of a network
// share users and log-ins.
func (l *sites) network(id string) string {
	if first, known := l.firstID(id); known {
		return first
	}
	return id
}

// keys returns the secrets of a site.
func (l *sites) keys(id string) (jwt.VerificationKeySet, error) {
	first := l.first(id)
	if first == nil {
		return jwt.VerificationKeySet{}, ticket.ErrUnknownSite
	}
	return first.keys, nil
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
	for _, st := range l.configured {
		if slices.Contains(st.origins, o) {
			return true
		}
	}
	return false
}

// byHost returns the site that a request's Host header belongs to: the one with that
// origin, or else the only site. It returns nil if there is none.
func (l *sites) byHost(r *http.Request) *site {
	var only *site
	for _, st := range l.configured {
		if slices.ContainsFunc(st.origins, func(o origin.Origin) bool { return o.IsHost(r.Host) }) {
			return st
		}
		only = st
	}
	if len(l.configured) == 1 {
		return only
	}
	return nil
}

// view returns the live view of a site that get returns.
func (l *sites) view(ctx context.Context, id string) (*broker.View, error) {
	return l.get(id).watch(ctx)
}
