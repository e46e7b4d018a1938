package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server"
)

const (
	// skewFails is the clocks' distance at which heartbeatd refuses tickets
	// that come from its future; skewWarns is where somebody should look.
	skewFails = time.Minute
	skewWarns = 20 * time.Second
	// headerLimit is how many bytes of response headers the WordPress plugin lets a
	// beat's answer have with a ticket. Below 4 KB, nginx's default buffer, it leaves
	// room for what servers add.
	headerLimit = 3584
	// largestTicket is the most bytes a ticket has; no useful one has fewer than
	// smallestTicket.
	largestTicket  = 2048
	smallestTicket = 1024
)

// checkSite looks for a WordPress: its admin-ajax.php has an answer of its own.
func (d *checkup) checkSite(ctx context.Context) finding {
	address := d.site.String() + server.AjaxPath
	a, err := d.askSoon(ctx, http.MethodGet, address, "", nil)
	if err != nil {
		return d.unreachable(address, err)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		d.siteAhead = time.Until(date) + a.took/2
	}
	switch {
	case a.status == http.StatusBadRequest && strings.TrimSpace(a.body) == "0":
		return ok("%s is a WordPress (%d ms)", d.site, a.took.Milliseconds())
	case a.status/100 == 3:
		return failed("Give the doctor the address that browsers end up at", "%s leads to %s", address, a.header.Get("Location"))
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return failed("Pages need admin-ajax.php: except it from what refuses it", "%s is refused (%d)", address, a.status)
	case a.status >= 500:
		return failed("See the logs of PHP and of the web server", "WordPress answers with an error (%d)", a.status)
	}
	return failed("Give the address of the folder that wp-admin is in", "%s does not answer as WordPress does (%d %s)", address, a.status, excerpt(a.body))
}

// checkHeaders beats as a visitor does, and sees whether a ticket fits beside the
// response headers.
func (d *checkup) checkHeaders(ctx context.Context) finding {
	address := d.site.String() + server.AjaxPath
	a, err := d.askSoon(ctx, http.MethodPost, address, "action=heartbeat", map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"})
	if err != nil {
		return d.unreachable(address, err)
	}
	if a.status != http.StatusOK || !strings.Contains(a.body, `"server_time":`) {
		return leftOut("a visitor's beat is not answered as WordPress does (%d %s)", a.status, excerpt(a.body))
	}
	size := len("HTTP/1.1 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n")
	for name, values := range a.header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	const mend = "Take headers that nobody needs off the answers of admin-ajax.php; plugins and the web server add them. " +
		"Where beats are answered with 502, also raise nginx's `fastcgi_buffer_size` (`proxy_buffer_size` before another web server) to 16k"
	switch room := headerLimit - size; {
	case room < smallestTicket:
		return warning(mend, "a visitor's beat is answered with %d bytes of headers, and no ticket fits beside them: pages are connected with the ticket that they load with, and later every beat goes to PHP", size)
	case room < largestTicket:
		return warning(mend, "a visitor's beat is answered with %d bytes of headers; %d are left for the ticket, and with %d it could name more rooms", size, room, largestTicket)
	}
	return ok("a visitor's beat is answered with %d bytes of headers; a ticket of %d fits beside them", size, largestTicket)
}

// checkAPI asks heartbeatd's admin listener, as WordPress does.
func (d *checkup) checkAPI(ctx context.Context) finding {
	if d.SiteSecret == "" && d.APIKey == "" {
		return d.checkReady(ctx)
	}
	var status struct {
		Version, Reason string
		Time            int64
		Ready           bool
		Sessions        int
	}
	asked := time.Now()
	_, err := d.call(ctx, http.MethodGet, "/status", nil, &status, asked.Add(d.siteAhead))
	middle := asked.Add(time.Since(asked) / 2)
	var refused *apiError
	if errors.As(err, &refused) {
		if date, err := http.ParseTime(refused.date); err == nil {
			d.learnTime(date.Sub(middle))
		}
		if refused.status == 0 {
			return d.noAPI(refused.reason)
		}
		return failed(upperFirst(refused.mend), "%s", refused.reason)
	}
	if err != nil {
		return failed("Mend the flag", "%v", err)
	}
	d.learnTime(time.Unix(status.Time, 0).Sub(middle))
	if !status.Ready {
		return warning("Until it is, pages do without presence; its log says more", "heartbeatd takes the key, and is not ready: %s", status.Reason)
	}
	return ok("heartbeatd %s takes the key for site %q; %d pages are there", status.Version, d.SiteID, status.Sessions)
}

// checkReady is what can be asked without a key.
func (d *checkup) checkReady(ctx context.Context) finding {
	a, err := d.askSoon(ctx, http.MethodGet, strings.TrimSuffix(d.API, "/")+"/readyz", "", nil)
	switch {
	case err != nil:
		return d.noAPI("nothing answers at " + d.API + ": " + plain(err))
	case a.status == http.StatusServiceUnavailable && strings.HasPrefix(a.body, "not ready"):
		return warning("Until it is, pages do without presence; its log says more", "heartbeatd is %s", strings.TrimSpace(a.body))
	case a.status != http.StatusOK || strings.TrimSpace(a.body) != "ready":
		return failed("--api is the address of heartbeatd's --admin-listen", "what answers at %s is not heartbeatd's API (%d)", d.API, a.status)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		d.learnTime(time.Until(date) + a.took/2)
	}
	return ok("heartbeatd is ready; without --site-secret or --api-key the key was not tried")
}

// noAPI is a failure where somebody named the address. The usual one is only
// there on heartbeatd's own machine.
func (d *checkup) noAPI(reason string) finding {
	if d.API == defaultAPI {
		return warning("If heartbeatd is meant to run on this machine, start it; if it is on another, say where with --api", "%s", reason)
	}
	return failed("Is heartbeatd running, and is that its --admin-listen? WordPress needs it for log-outs, locks and pushes", "%s", reason)
}

func (d *checkup) learnTime(ahead time.Duration) { d.heartbeatdAhead = &ahead }

// checkClocks compares the site's clock with heartbeatd's: WordPress says when
// a ticket was issued, heartbeatd whether that can be.
func (d *checkup) checkClocks(context.Context) finding {
	if d.heartbeatdAhead == nil {
		return leftOut("heartbeatd's time is not known: it answered neither at %s nor with a tick", d.API)
	}
	apart := (d.siteAhead - *d.heartbeatdAhead).Round(time.Second)
	const mend = "Let both machines keep their time by NTP: tickets fail above a minute"
	order := "ahead of"
	if apart < 0 {
		order = "behind"
	}
	switch text := fmt.Sprintf("the site's clock is %s %s heartbeatd's", apart.Abs(), order); {
	case apart.Abs() > skewFails:
		return failed(mend, "%s", text)
	case apart.Abs() > skewWarns:
		return warning(mend, "%s", text)
	}
	if d.siteAhead.Abs() > skewFails {
		return warning("Only this machine's is wrong", "the site and heartbeatd agree on the time, and this machine is %s apart", d.siteAhead.Abs().Round(time.Second))
	}
	return ok("the clocks of the site, heartbeatd and this machine agree")
}

// checkScript fetches the drop-in. The plugin ships its own copy.
func (d *checkup) checkScript(ctx context.Context) finding {
	address := d.at("/heartbeat.js")
	a, err := d.askSoon(ctx, http.MethodGet, address, "", nil)
	switch {
	case err != nil:
		return d.unreachable(address, err)
	case a.status == http.StatusOK && strings.Contains(a.header.Get("Content-Type"), "javascript") && strings.Contains(a.body, "heartbeat"):
		if c := a.header.Get("Cache-Control"); !strings.Contains(c, "no-cache") {
			return warning("Except "+d.live.Path+"/ from rules for static files", "the web server lets browsers keep heartbeat.js (Cache-Control %q): an old one would stay", c)
		}
		return ok("%s is the drop-in", address)
	case d.upgraded:
		return warning("A rule for static files takes it; the WordPress plugin has its own copy and does not need it. In nginx `location ^~ "+d.live.Path+"/` goes before such rules",
			"the socket reaches heartbeatd, and %s does not (%d)", address, a.status)
	}
	return d.astray(a)
}

// checkAdmin sees that what is for WordPress alone is not for everybody.
func (d *checkup) checkAdmin(ctx context.Context) finding {
	for _, base := range []string{browserOrigin(d.live), d.live.String(), d.origin} {
		for _, path := range []string{"/readyz", "/metrics"} {
			a, err := d.askSoon(ctx, http.MethodGet, base+path, "", nil)
			if err == nil && isAdmin(a) {
				return failed("Route only "+d.live.Path+"/ to heartbeatd's --listen address, and nothing to --admin-listen", "heartbeatd's admin listener is open to everybody at %s", base+path)
			}
		}
	}
	api, err := url.Parse(d.API)
	if err != nil || api.Port() == "" {
		return leftOut("--api %s has no port that could be tried from outside", d.API)
	}
	host := d.live.Hostname()
	if onlyLoopback(ctx, host) {
		return ok("the web server does not pass the admin listener on; %s is this machine, so its port says nothing", host)
	}
	address := "http://" + net.JoinHostPort(host, api.Port()) + "/readyz"
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // a firewall says nothing
	defer cancel()
	if a, err := d.ask(ctx, http.MethodGet, address, "", nil); err == nil && isAdmin(a) {
		return failed("Let --admin-listen be a loopback or an internal address, or close the port in the firewall", "heartbeatd's admin listener is open to everybody at %s", address)
	}
	return ok("the admin listener is not reachable at %s", host)
}

func isAdmin(a *answer) bool {
	return a.status == http.StatusOK && (strings.TrimSpace(a.body) == "ready" || strings.Contains(a.body, "heartbeatd_sessions")) ||
		a.status == http.StatusServiceUnavailable && strings.HasPrefix(a.body, "not ready: ")
}

// onlyLoopback says whether a host name is this machine alone.
func onlyLoopback(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			return false
		}
	}
	return err == nil
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
