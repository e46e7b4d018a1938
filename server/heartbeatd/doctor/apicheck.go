package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// skewFails is the difference of the clocks above which heartbeatd refuses
	// tickets as issued in the future. Above skewWarns the doctor warns.
	skewFails = ticket.ClockSkew
	skewWarns = 20 * time.Second
)

// diagnoseState returns a warning if heartbeatd is not ready or a part of it does not work.
func diagnoseState(s readiness.State) (Finding, bool) {
	var remedies []string
	for _, p := range s.Reasons {
		remedies = append(remedies, p.Remedy)
	}
	remedy := strings.Join(remedies, ". ")
	switch {
	case !s.Ready:
		return warning(cmp.Or(remedy, "Its log has the reason"), "heartbeatd runs, but is not ready: %s", s), true
	case len(s.Reasons) > 0:
		return warning(remedy, "a part of heartbeatd does not work: %s", s), true
	}
	return Finding{}, false
}

// checkAPI calls the API on heartbeatd's admin listener, as WordPress does.
func (d *checkup) checkAPI(ctx context.Context) Finding {
	if d.API.SiteSecret == "" && d.API.APIKey == "" {
		return d.checkReady(ctx)
	}
	var status struct {
		readiness.State
		Version  string
		Time     int64
		Sessions int
	}
	sent := time.Now()
	err := d.API.Call(ctx, http.MethodGet, "/status", nil, &status, sent.Add(d.siteAhead))
	middle := sent.Add(time.Since(sent) / 2)
	var refused *apiclient.Error
	if errors.As(err, &refused) {
		if date, err := http.ParseTime(refused.Date); err == nil {
			d.setClock(date.Sub(middle))
		}
		if refused.Status == 0 {
			return d.diagnoseAPI(refused.Reason)
		}
		return failed(upperFirst(refused.Remedy), "%s", refused.Reason)
	}
	if err != nil {
		return invalidFlag(err)
	}
	d.setClock(time.Unix(status.Time, 0).Sub(middle))
	if f, found := diagnoseState(status.State); found {
		return f
	}
	return ok("heartbeatd %s accepts the API key for site %q; sessions: %d", status.Version, d.API.SiteID, status.Sessions)
}

// checkReady checks what can be asked without a key.
func (d *checkup) checkReady(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	root, client := d.API.Plain()
	r, err := d.newRequest(ctx, http.MethodGet, root+"/readyz", "", nil)
	if err != nil {
		return invalidFlag(err)
	}
	a, err := do(client, r)
	if err != nil {
		return d.diagnoseAPI("no answer from " + d.API.API + ": " + apiclient.Cause(err))
	}
	state, isReadyz := readState(a)
	if !isReadyz {
		return failed("Set --api to the URL of heartbeatd's --admin-listen", "the server at %s is not heartbeatd's API (%d)", d.API.API, a.status)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		d.setClock(time.Until(date) + a.took/2)
	}
	if f, found := diagnoseState(state); found {
		return f
	}
	return ok("heartbeatd is ready; the API key was not checked: that needs --site-secret or --api-key")
}

// diagnoseAPI returns the finding for an API that does not answer. At the default
// URL this is no failure: heartbeatd may run on another machine.
func (d *checkup) diagnoseAPI(reason string) Finding {
	if d.API.API == apiclient.DefaultURL {
		return warning("If heartbeatd is to run on this machine, start it; if it runs on another one, set --api", "%s", reason)
	}
	return failed("Check that heartbeatd runs and that --api is the URL of its --admin-listen: WordPress needs the API for log-outs, locks and pushes", "%s", reason)
}

// setClock notes how far heartbeatd's clock is ahead of ours.
func (d *checkup) setClock(ahead time.Duration) { d.heartbeatdAhead = &ahead }

// checkClocks compares the site's clock with heartbeatd's: WordPress writes the time
// of issue into tickets, and heartbeatd checks it.
func (d *checkup) checkClocks(context.Context) Finding {
	if d.heartbeatdAhead == nil {
		return skipped("heartbeatd's time is not known: it answered neither a call of %s nor a beat", d.API.API)
	}
	apart := (d.siteAhead - *d.heartbeatdAhead).Round(time.Second)
	const remedy = "Synchronize the clocks of both machines with NTP: tickets are refused above a minute"
	order := "ahead of"
	if apart < 0 {
		order = "behind"
	}
	switch text := fmt.Sprintf("the site's clock is %s %s heartbeatd's", apart.Abs(), order); {
	case apart.Abs() > skewFails:
		return failed(remedy, "%s", text)
	case apart.Abs() > skewWarns:
		return warning(remedy, "%s", text)
	}
	if d.siteAhead.Abs() > skewFails {
		return warning("Only this machine's clock is wrong", "the clocks of the site and of heartbeatd agree; this machine's differs by %s", d.siteAhead.Abs().Round(time.Second))
	}
	return ok("the clocks of the site, of heartbeatd and of this machine agree")
}

// checkAdmin checks that the admin listener is not public.
func (d *checkup) checkAdmin(ctx context.Context) Finding {
	for _, base := range []string{originOf(d.base), d.base.String(), d.origin} {
		for _, path := range []string{"/readyz", "/metrics"} {
			a, err := d.sendTimed(ctx, http.MethodGet, base+path, "", nil)
			if err == nil && isAdmin(a) {
				return failed("Route only "+d.path()+" to heartbeatd's --listen address, and nothing to --admin-listen", "heartbeatd's admin listener is public at %s", base+path)
			}
		}
	}
	api, err := url.Parse(d.API.API)
	if err != nil || api.Port() == "" {
		return skipped("--api %s has no port to check from outside", d.API.API)
	}
	host := d.base.Hostname()
	if isLoopback(ctx, host) {
		return ok("the web server does not pass the admin listener on; its port was not checked, because %s is this machine", host)
	}
	address := "http://" + net.JoinHostPort(host, api.Port()) + "/readyz"
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // a firewall may drop the packets
	defer cancel()
	if a, err := d.send(ctx, http.MethodGet, address, "", nil); err == nil && isAdmin(a) {
		return failed("Set --admin-listen to a loopback or internal address, or close the port in the firewall", "heartbeatd's admin listener is public at %s", address)
	}
	return ok("the admin listener is not reachable at %s", host)
}

func isAdmin(a *answer) bool {
	_, isReadyz := readState(a)
	return isReadyz || a.status == http.StatusOK && strings.Contains(a.body, "heartbeatd_sessions")
}

// readState reads an answer of /readyz, and reports whether it is one.
func readState(a *answer) (s readiness.State, isReadyz bool) {
	err := json.Unmarshal([]byte(a.body), &s)
	return s, err == nil && s.Reasons != nil && (a.status == http.StatusOK || a.status == http.StatusServiceUnavailable)
}

// isLoopback reports whether all addresses of a host name are loopback addresses.
func isLoopback(ctx context.Context, host string) bool {
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
