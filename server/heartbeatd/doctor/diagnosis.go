package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	recipes       = "docs/deploy.md has the configuration"
	readLog       = "See heartbeatd's log"
	readServerLog = "See the log of the web server"
	// unknownPath is the answer of heartbeatd's router for an unknown path.
	unknownPath = "404 page not found"
)

// invalidFlag returns the finding for a flag that no ticket or call can be made of.
func invalidFlag(err error) Finding { return failed("Correct the flag", "%v", err) }

// diagnose explains an answer that is not one of this version of heartbeatd.
func (d *checkup) diagnose(a *answer) Finding {
	path := d.path()
	switch {
	case a.status == http.StatusForbidden && strings.Contains(a.body, transport.OriginRefused):
		return d.originRefused()
	case a.status == http.StatusNotFound && strings.TrimSpace(a.body) == unknownPath:
		return failed("Pass the whole path of "+path+" on, and start heartbeatd with --base-path "+d.base.Path,
			"heartbeatd does not know the path: the web server changes it, or heartbeatd has another --base-path")
	case a.status == http.StatusNotFound || a.status == http.StatusOK:
		return failed("Route "+path+" to heartbeatd, ahead of the rule that routes everything to WordPress; "+recipes,
			"the web server does not pass %s on to heartbeatd (%d)", path, a.status)
	case a.status/100 == 3:
		return failed("Give the doctor and HEARTBEATD_URL the URL that it redirects to, or remove the redirect for "+path,
			"%s is redirected to %s; browsers do not follow redirects of a WebSocket", path, a.header.Get("Location"))
	case a.status == http.StatusUnauthorized:
		return failed("Exclude "+path+" from password protection: heartbeatd checks tickets", "the web server requires a password (401)")
	case a.status == http.StatusForbidden:
		return failed("Find the rule of the web server, firewall or CDN that blocks the request, and exclude "+path,
			"a server in front of heartbeatd refuses the request (403): %s", excerpt(a.body))
	default:
		return d.diagnoseStatus(a)
	}
}

func (d *checkup) diagnoseStatus(a *answer) Finding {
	switch a.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return failed("Start heartbeatd, and let the web server pass requests on to its --listen address; the log of the web server names the address that it uses",
			"the web server does not reach heartbeatd (%d)", a.status)
	case http.StatusGatewayTimeout:
		return failed("Check that heartbeatd runs, and that no firewall is between it and the web server", "heartbeatd does not answer the web server in time (504)")
	case http.StatusTooManyRequests:
		return failed("Raise the rate limit for "+d.path(), "a rate limit is reached (429): %s", excerpt(a.body))
	case http.StatusMethodNotAllowed:
		return failed("Allow POST for "+d.path(), "the method is not allowed (405)")
	case http.StatusRequestEntityTooLarge:
		return failed("Allow request bodies of 128 KiB for "+d.path(), "the web server refuses a request of that size (413)")
	}
	return failed(readServerLog, "the answer is not heartbeatd's (%d): %s", a.status, excerpt(a.body))
}

// originRefused returns the finding for a heartbeatd that refuses the site's pages.
func (d *checkup) originRefused() Finding {
	if d.isSameOrigin() {
		return failed("Pass the Host header on unchanged: nginx `proxy_set_header Host $http_host`, Apache `ProxyPreserveHost On`; or start heartbeatd with --site-origin "+d.origin,
			"heartbeatd refuses the origin of the site's pages, because the web server changes the Host header")
	}
	return failed("Start heartbeatd with --site-origin "+d.origin, "heartbeatd refuses the origin of the site's pages, %s", d.origin)
}

// diagnoseRefusal explains why heartbeatd refuses a ticket that the secret signed.
func (d *checkup) diagnoseRefusal(reason string) Finding {
	switch {
	case strings.Contains(reason, "origin"):
		return d.originRefused()
	case strings.Contains(reason, "signature"): // heartbeatd does not tell which sites it has
		return failed("Use the same secret for --site-secret here, HEARTBEATD_SECRET in wp-config.php and --site-secret of heartbeatd, and the same site ID for --site-id here, HEARTBEATD_SITE and --site-id of heartbeatd",
			"heartbeatd has a different secret for site %q, or no such site", d.API.SiteID)
	case strings.Contains(reason, "in the future") || strings.Contains(reason, "expired") || strings.Contains(reason, "is over"):
		return failed("Synchronize the clocks of both machines with NTP", "the clocks differ: heartbeatd says %q", reason)
	}
	return failed(readLog, "heartbeatd refuses the ticket: %s", reason)
}

// diagnoseError explains why a request has no answer.
func (d *checkup) diagnoseError(address string, err error) Finding {
	u, _ := url.Parse(address)
	host := u.Host
	var dns *net.DNSError
	var timeout net.Error
	switch text := apiclient.Cause(err); {
	case errors.As(err, &dns):
		return failed("Correct the host name or its DNS record", "the host %s does not exist", host)
	case strings.Contains(text, "x509:") || strings.Contains(text, "tls:"):
		return failed("Browsers refuse it as well: renew the certificate, or install its whole chain", "the certificate of %s is invalid: %s", host, text)
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return failed("Check firewalls, and whether the web server waits for a server behind it", "%s does not answer within %s", host, d.timeout)
	case strings.Contains(text, "refused"):
		return failed("Start the web server, or correct the port", "%s refuses connections", host)
	default:
		return failed(readServerLog, "%s: %s", host, text)
	}
}
