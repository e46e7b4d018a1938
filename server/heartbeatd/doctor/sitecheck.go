package doctor

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// headerLimit is the maximum number of bytes of response headers with which
	// the WordPress plugin sends a ticket. It leaves room for what servers add,
	// below 4 KB, nginx's default buffer.
	headerLimit = 3584
	// largestTicket is the maximum number of bytes of a ticket. A useful one has
	// at least smallestTicket.
	largestTicket  = 2048
	smallestTicket = 1024
)

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// checkSite checks that a WordPress answers at the site's URL: its admin-ajax.php
// has an answer of its own.
func (d *checkup) checkSite(ctx context.Context) Finding {
	url := d.site.String() + wordpress.AjaxPath
	a, err := d.sendTimed(ctx, http.MethodGet, url, "", nil)
	if err != nil {
		return d.diagnoseError(url, err)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		d.siteAhead = time.Until(date) + a.took/2
	}
	switch {
	case a.status == http.StatusBadRequest && strings.TrimSpace(a.body) == "0":
		return ok("WordPress answers at %s (%d ms)", d.site, a.took.Milliseconds())
	case a.status/100 == 3:
		return failed("Give the doctor the URL that it redirects to", "%s redirects to %s", url, a.header.Get("Location"))
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return failed("Allow access to admin-ajax.php: pages need it", "access to %s is refused (%d)", url, a.status)
	case a.status >= 500:
		return failed("See the logs of PHP and of the web server", "WordPress answers with an error (%d)", a.status)
	}
	return failed("Give the URL of the directory that contains wp-admin", "%s does not answer as WordPress does (%d %s)", url, a.status, excerpt(a.body))
}

// checkHeaders sends the beat of a visitor, and checks that a ticket fits beside the
// response headers.
func (d *checkup) checkHeaders(ctx context.Context) Finding {
	url := d.site.String() + wordpress.AjaxPath
	a, err := d.sendTimed(ctx, http.MethodPost, url, "action=heartbeat", map[string]string{"Content-Type": formType})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	if a.status != http.StatusOK || !strings.Contains(a.body, `"server_time":`) {
		return skipped("a visitor's beat is not answered as WordPress does (%d %s)", a.status, excerpt(a.body))
	}
	size := len("HTTP/1.1 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n")
	for name, values := range a.header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	const remedy = "Remove unneeded headers from the answers of admin-ajax.php; plugins and the web server add them. " +
		"If beats are answered with 502, also raise nginx's `fastcgi_buffer_size` (`proxy_buffer_size` in front of another web server) to 16k"
	switch room := headerLimit - size; {
	case room < smallestTicket:
		return warning(remedy, "the answer to a visitor's beat has %d bytes of headers, which leaves no room for a ticket: pages connect with the ticket that they load with, and later every beat goes to PHP", size)
	case room < largestTicket:
		return warning(remedy, "the answer to a visitor's beat has %d bytes of headers, which leaves %d for a ticket; with %d it can name more rooms", size, room, largestTicket)
	}
	return ok("the answer to a visitor's beat has %d bytes of headers; a ticket of %d fits beside them", size, largestTicket)
}

// checkScript fetches the drop-in. The plugin has a copy of its own.
func (d *checkup) checkScript(ctx context.Context) Finding {
	url := d.url("/heartbeat.js")
	a, err := d.sendTimed(ctx, http.MethodGet, url, "", nil)
	switch {
	case err != nil:
		return d.diagnoseError(url, err)
	case a.status == http.StatusOK && strings.Contains(a.header.Get("Content-Type"), "javascript") && strings.Contains(a.body, "heartbeat"):
		if c := a.header.Get("Cache-Control"); !strings.Contains(c, "no-cache") {
			return warning("Exclude "+d.path()+" from the rules for static files", "the web server lets browsers cache heartbeat.js (Cache-Control %q), so that they may run an old version", c)
		}
		return ok("heartbeat.js is served at %s", url)
	case d.socketOpens:
		return warning("A rule for static files handles it. The WordPress plugin has its own copy and does not need it. In nginx put `location ^~ "+d.path()+"` ahead of such rules",
			"the WebSocket reaches heartbeatd, but %s does not (%d)", url, a.status)
	}
	return d.diagnose(a)
}
