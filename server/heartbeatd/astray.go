package main

import (
	"net/http"
	"strings"
)

const (
	refusedOrigin = "this origin is not one of the site's"
	recipes       = "docs/deploy.md has what to write"
)

// astray says why a request to one of heartbeatd's addresses was answered as
// nobody of heartbeatd's version answers it.
func (d *checkup) astray(a *answer) finding {
	path := d.live.Path + "/"
	switch {
	case a.status == http.StatusForbidden && strings.Contains(a.body, refusedOrigin):
		return d.originRefused()
	case a.status == http.StatusNotFound && strings.TrimSpace(a.body) == "404 page not found":
		return failed("Pass "+path+" on with its whole path, and let --base-path of heartbeatd be "+d.live.Path,
			"heartbeatd does not know the path: the web server changes it, or heartbeatd has another --base-path")
	case a.status == http.StatusNotFound || a.status == http.StatusOK:
		return failed("Route "+path+" to heartbeatd, before what routes everything to WordPress; "+recipes,
			"the web server does not pass %s on to heartbeatd (%d)", path, a.status)
	case a.status/100 == 3:
		return failed("Give the doctor and HEARTBEATD_URL the address that it leads to, or take the redirect off "+path,
			"%s is redirected to %s, and browsers do not follow that for a socket", path, a.header.Get("Location"))
	case a.status == http.StatusUnauthorized:
		return failed("Take "+path+" out of it: heartbeatd's own tickets protect it", "the web server asks for a password")
	case a.status == http.StatusForbidden:
		return failed("Find the rule of the web server, of a firewall or of a CDN that refuses it, and except "+path,
			"something before heartbeatd refuses it (403): %s", excerpt(a.body))
	default:
		return d.astrayBelow(a)
	}
}

func (d *checkup) astrayBelow(a *answer) finding {
	switch a.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return failed("Start heartbeatd, and let the web server pass on to its --listen address; the web server's log says what it tried",
			"the web server does not reach heartbeatd (%d)", a.status)
	case http.StatusGatewayTimeout:
		return failed("Is heartbeatd stopped, or a firewall between the two?", "heartbeatd does not answer the web server in time (504)")
	case http.StatusTooManyRequests:
		return failed("Raise the limit for "+d.live.Path+"/", "a limit was reached (429): %s", excerpt(a.body))
	case http.StatusMethodNotAllowed:
		return failed("Let POST pass to "+d.live.Path+"/", "the method is not allowed (405)")
	case http.StatusRequestEntityTooLarge:
		return failed("Allow 1 MiB for "+d.live.Path+"/", "the web server takes no request of that size (413)")
	}
	return failed("See the web server's log", "an answer that is not heartbeatd's (%d): %s", a.status, excerpt(a.body))
}

// originRefused is heartbeatd's refusal of the site's own pages.
func (d *checkup) originRefused() finding {
	if d.sameOrigin() {
		return failed("Pass the Host header on as it came: nginx `proxy_set_header Host $http_host`, Apache `ProxyPreserveHost On`; or start heartbeatd with --site-origin "+d.origin,
			"heartbeatd takes the site's own pages for another origin, because the web server changes the Host")
	}
	return failed("Start heartbeatd with --site-origin "+d.origin, "heartbeatd does not know the origin of the site's pages, %s", d.origin)
}

// refusedTicket explains why heartbeatd took no ticket that the secret signed.
func (d *checkup) refusedTicket(reason string) finding {
	switch {
	case strings.Contains(reason, "origin"):
		return d.originRefused()
	case strings.Contains(reason, "no such site"):
		return failed("--site-id here, HEARTBEATD_SITE in wp-config.php and --site-id of heartbeatd must be the same", "heartbeatd has no site %q", d.SiteID)
	case strings.Contains(reason, "signature"):
		return failed("--site-secret here, HEARTBEATD_SECRET in wp-config.php and --site-secret of heartbeatd must be the same", "heartbeatd has another secret for site %q", d.SiteID)
	case strings.Contains(reason, "before issued") || strings.Contains(reason, "expired") || strings.Contains(reason, "is over"):
		return failed("Let the machines keep their time by NTP", "the clocks are apart: heartbeatd says %q", reason)
	}
	return failed("heartbeatd's log may say more", "heartbeatd refuses a ticket: %s", reason)
}
