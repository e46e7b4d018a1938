package sitecall

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/heartbeatd/heartbeatd/server/origin"
)

// Hosts decides which of the URLs for calls that a site's tickets name are called. The plugin
// writes no URL with the Host header of a visitor's request, but an older one may, and on a shared
// heartbeatd a site must not choose any server.
type Hosts struct {
	mu       sync.Mutex    // guards the following fields; no other lock is taken under it
	answered origin.Origin // of the first URL that answered a call
	logged   bool
}

// Allows reports whether the URL of a claim may be called, and logs the first URL of the site
// that may not. An empty URL is allowed: it says that there are no calls.
func (h *Hosts) Allows(claim, url string, known []origin.Origin, anywhere bool, site string, log *slog.Logger) bool {
	if url == "" {
		return true
	}
	err := h.Check(url, known, anywhere)
	if err == nil {
		return true
	}
	h.mu.Lock()
	before := h.logged
	h.logged = true
	h.mu.Unlock()
	if !before {
		log.Warn("WordPress is not called at the URL that a ticket names", "site", site, "claim", claim, "error", err)
	}
	return false
}

// Check returns an error if a URL must not be called. It must have one of the known origins of
// the site. If none is known, anywhere is true: then it must have that of the first URL that
// answered a call. Until one has, the site's address may be outdated, so that any may follow.
func (h *Hosts) Check(text string, known []origin.Origin, anywhere bool) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("the ticket's URL for calls is not a URL")
	}
	called, err := origin.Of(u)
	if err != nil {
		return fmt.Errorf("the ticket's URL for calls is not valid: %w", err)
	}
	if a, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil && isLinkLocal(a) {
		return errLinkLocal
	}
	switch {
	case slices.Contains(known, called), anywhere && h.mayAnswer(called):
		return nil
	case anywhere:
		return fmt.Errorf("the ticket's URL for calls has the origin %s, and WordPress has answered at another: name the site's origin with --site-origin, or its WordPress with --site-upstream", called)
	}
	return fmt.Errorf("the ticket's URL for calls has the origin %s, which is neither --site-upstream nor a --site-origin: add it", called)
}

// mayAnswer reports whether no call was answered yet, or one at this origin.
func (h *Hosts) mayAnswer(o origin.Origin) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered == (origin.Origin{}) || h.answered == o
}

// Answered records that WordPress has answered a call of a URL that may be called.
func (h *Hosts) Answered(text string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	o, err := origin.Of(u)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.answered == (origin.Origin{}) {
		h.answered = o
	}
}

var (
	// errLinkLocal refuses addresses where clouds have services for the machine itself.
	errLinkLocal = errors.New("a link-local address is not called")
	// errPrivate refuses addresses of the machine and of its network to a site of which the
	// operator knows only the name: its owner chooses where the name resolves to.
	errPrivate = errors.New("the site's host name resolves to a loopback or private address, which is not called: if that is right, set --site-private, or \"private\": true in --sites")
)

// ChoosesAddress reports whether the owner of the host name in a URL chooses which address is
// called. The operator has written an IP address and the host of the upstream.
func ChoosesAddress(text, upstream string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return true
	}
	called, _ := origin.Of(u)
	if behind, err := origin.Parse(upstream); err == nil && behind == called {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err != nil && u.Hostname() != "localhost"
}

func isLinkLocal(a netip.Addr) bool { return a.Unmap().IsLinkLocalUnicast() }

// sharedAddresses are those of carriers and of some clouds between their own machines.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsUnspecified() || sharedAddresses.Contains(a)
}

// refuseLinkLocal is the Control of a net.Dialer: a name may resolve to any address.
func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err == nil && isLinkLocal(a.Addr()) {
		return errLinkLocal
	}
	return nil
}

// refusePrivate is refuseLinkLocal, and also refuses private addresses.
func refusePrivate(network, address string, c syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err == nil && isPrivate(a.Addr()) {
		return errPrivate
	}
	return refuseLinkLocal(network, address, c)
}
