// Package limit bounds what the clients of a node use, by their address.
package limit

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/server/hourly"
	"github.com/heartbeatd/heartbeatd/transport"
)

// What the clients of one address use at most: several times what an office of 200 people
// with ten tabs each needs when heartbeatd restarts.
const (
	// maxBodies is the number of bytes of the bodies that all clients send at once, and
	// maxClientBodies that of one address. Small bodies do not count.
	maxBodies       = 64 << 20
	maxClientBodies = 16 << 20
	// opensPerSecond and openBurst limit how fast an address opens WebSockets and sessions over HTTP.
	opensPerSecond = 100
	openBurst      = 6000
	// maxClients is the number of addresses that a node knows. More have no limits of their
	// own.
	maxClients = 50_000
)

// The names of the limits.
const (
	Beats       = "beats" // of a page
	Bodies      = "bodies"
	Connections = "connections"
	Links       = "links"
	Opens       = "opens"
	Upstream    = "upstream" // of the requests to a WordPress
)

// Names are the names of all limits: those of addresses and of the node, and the budgets of sites.
var Names = []string{Beats, Bodies, Connections, Links, Opens, Upstream, budget.Entries, budget.EntryBytes, budget.Pushes, budget.Revocations, budget.Deposits, budget.Sessions}

// Clients bounds what clients use, by address: IPv4 addresses, and networks of 64 bits for
// IPv6. It implements transport.Limits.
type Clients struct {
	proxies atomic.Pointer[[]netip.Prefix] // trusted about the addresses of clients
	max     atomic.Pointer[Max]
	limited func(limit string)
	bodies  transport.Quota // of all clients

	Requests *Requests    // to the WordPress of all sites
	Log      *slog.Logger // may be nil
	logs     hourly.Limit[logKey]

	mu    sync.Mutex // guards the following fields
	open  int        // TCP connections
	known map[netip.Prefix]*client
	swept time.Time
}

// client is one address.
type client struct {
	links       int // guarded by Clients.mu
	connections int // TCP connections; guarded by Clients.mu
	opens       *rate.Limiter
	bodies      transport.Quota
}

// New returns the limits of a node. limited is called with the name of a limit when something
// is refused because of it.
func New(proxies []netip.Prefix, limited func(limit string)) *Clients {
	l := &Clients{limited: limited, known: make(map[netip.Prefix]*client), Requests: newRequests()}
	l.Trust(proxies)
	l.SetMax(Defaults)
	l.bodies.Max, l.bodies.Denied = maxBodies, func() { l.reached(Bodies, netip.Prefix{}) }
	return l
}

// Trust replaces the web servers that are trusted about the addresses of clients.
func (l *Clients) Trust(proxies []netip.Prefix) { l.proxies.Store(&proxies) }

// BodyBytes returns how many bytes of bodies are being received.
func (l *Clients) BodyBytes() int64 { return l.bodies.Used() }

// OpenConnections returns the number of open TCP connections.
func (l *Clients) OpenConnections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// AddressOf returns the address of the client of a request. It is not known if the peer is a
// web server that is not trusted: all its clients would share one address. This is assumed
// of peers with a loopback or private address.
func (l *Clients) AddressOf(r *http.Request) (address netip.Prefix, known bool) {
	if !isLocal(r) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return address, false
		}
		if !l.isProxy(peer.Addr()) {
			return publicAddress(peer.Addr())
		}
	}
	forwarded := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(forwarded) - 1; i >= 0; i-- {
		a, err := parseAddress(strings.TrimSpace(forwarded[i]))
		if err != nil {
			return address, false
		}
		if !l.isProxy(a) {
			return network(a), true
		}
	}
	return address, false
}

// isLocal reports whether a request came over a Unix socket. Its peer is a web server on this
// machine, and is trusted: the permissions of the folder say who may connect.
func isLocal(r *http.Request) bool {
	_, local := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
	return local
}

// IsProxy reports whether a request comes from a trusted web server.
func (l *Clients) IsProxy(r *http.Request) bool {
	if isLocal(r) {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && l.isProxy(peer.Addr())
}

// OverBudget counts that something is refused because a site has used up a budget.
func (l *Clients) OverBudget(err *budget.Error) {
	l.refused("a site has used up a budget", err.Name, err.Site, err)
}

// DepositRefused counts that a deposit of a site is refused because of a limit other than a budget.
func (l *Clients) DepositRefused(site string, err error) {
	l.refused("a deposit is refused", budget.Deposits, site, err)
}

// refused counts that something of a site is refused, and logs it at most once an hour.
func (l *Clients) refused(msg, limit, site string, err error) {
	l.limited(limit)
	if l.isLogged(logKey{limit: msg + limit, site: site}) {
		l.Log.Warn(msg, "site", site, "limit", limit, "error", err)
	}
}

// Refused counts what another package has refused because of a limit.
func (l *Clients) Refused(name string) { l.reached(name, netip.Prefix{}) }

func (l *Clients) isProxy(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range *l.proxies.Load() {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress parses an address, which may have a port.
func parseAddress(text string) (netip.Addr, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr(), nil
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		text = strings.TrimSuffix(inner, "]")
	}
	return netip.ParseAddr(text)
}

// sharedAddresses are those of carriers and clouds between their own machines (RFC 6598).
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

func publicAddress(a netip.Addr) (address netip.Prefix, known bool) {
	a = a.Unmap()
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || !a.IsValid() || sharedAddresses.Contains(a) {
		return address, false
	}
	return network(a), true
}

// network returns the addresses that one client has: with IPv6, usually 2^64.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the number of bits is valid
	return p
}

// get returns the client of an address, or nil if there are too many clients. It is called
// with l.mu held.
func (l *Clients) get(address netip.Prefix) *client {
	if c := l.known[address]; c != nil {
		return c
	}
	if len(l.known) >= maxClients && !l.sweep(time.Now()) {
		return nil
	}
	c := &client{opens: rate.NewLimiter(opensPerSecond, openBurst)}
	c.bodies.Max, c.bodies.Of = maxClientBodies, &l.bodies
	c.bodies.Denied = func() { l.reached(Bodies, address) }
	l.known[address] = c
	return c
}

// sweep removes clients that use nothing, at most once a second, and reports whether there
// is room for another. It is called with l.mu held.
func (l *Clients) sweep(now time.Time) bool {
	if now.Sub(l.swept) < time.Second {
		return false
	}
	l.swept = now
	for address, c := range l.known {
		if c.links == 0 && c.connections == 0 && c.bodies.Used() == 0 && c.opens.TokensAt(now) >= openBurst {
			delete(l.known, address)
		}
	}
	return len(l.known) < maxClients
}

// Open implements transport.Limits.
func (l *Clients) Open(r *http.Request) (release func(), bye *transport.Bye) {
	address, known := l.AddressOf(r)
	if !known {
		return func() {}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.get(address)
	switch {
	case c == nil:
		return func() {}, nil
	case c.links >= l.Max().MaxAddressPages:
		return nil, l.refuse(Links, address, "too many connections from this address", 30*time.Second)
	case !c.opens.Allow():
		return nil, l.refuse(Opens, address, "too many new connections from this address", 5*time.Second)
	}
	c.links++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.links--
	}, nil
}

func (l *Clients) refuse(limit string, address netip.Prefix, reason string, retry time.Duration) *transport.Bye {
	l.reached(limit, address)
	return &transport.Bye{Code: transport.CodeTooMany, Reason: reason, RetryAfter: retry}
}

// Quota implements transport.Limits.
func (l *Clients) Quota(r *http.Request) *transport.Quota {
	address, known := l.AddressOf(r)
	if !known {
		return &l.bodies
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.get(address); c != nil {
		return &c.bodies
	}
	return &l.bodies
}
