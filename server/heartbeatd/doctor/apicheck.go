package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/finding"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// skewFails is the difference of the clocks above which heartbeatd refuses
	// tickets as issued in the future. Above skewWarns the doctor warns.
	skewFails = ticket.ClockSkew
	skewWarns = 30 * time.Second
	// minSecret is the number of characters below which a secret can be guessed.
	minSecret = 32
)

// diagnoseState returns a finding if heartbeatd is not ready or a part of it does not work: that of the
// first of its reasons, with the texts of all. A heartbeatd of another version may name none, or one
// that is not known here.
func (d *checkup) diagnoseState(s readiness.State) (Finding, bool) {
	switch {
	case len(s.Reasons) > 0:
		remedies := make([]string, len(s.Reasons))
		for i, p := range s.Reasons {
			remedies[i] = p.Remedy
		}
		name := s.Reasons[0].Finding
		if !finding.IsKnown(name) {
			name = "version-mismatch"
		}
		return d.named(name, "%s. %s.", s, strings.Join(remedies, ". ")), true
	case !s.Ready:
		return d.named("not-ready", "Its log has the reason."), true
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
		return d.diagnoseCall(ctx, refused)
	}
	if err != nil {
		return invalidFlag(err)
	}
	d.setClock(time.Unix(status.Time, 0).Sub(middle))
	if f, found := d.diagnoseState(status.State); found {
		return f
	}
	if n := len(d.API.SiteSecret); n > 0 && n < minSecret {
		return d.named("guessable-secret", "It has %d.", n)
	}
	return ok("heartbeatd %s accepts the API key for site %q; sessions: %d", status.Version, d.API.SiteID, status.Sessions)
}

// checkReady checks what can be asked without a key.
func (d *checkup) checkReady(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	root, client, err := d.API.Plain()
	if err != nil {
		return invalidFlag(err)
	}
	r, err := d.newRequest(ctx, http.MethodGet, root+"/readyz", "", nil)
	if err != nil {
		return invalidFlag(err)
	}
	a, err := do(client, r)
	if err != nil {
		return d.diagnoseAPI(ctx, "no answer from "+d.API.Address()+": "+apiclient.Cause(err))
	}
	state, isReadyz := readState(a)
	if !isReadyz {
		return d.named("api-unreachable", "The server there is not heartbeatd's API (%d).", a.status)
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		d.setClock(time.Until(date) + a.took/2)
	}
	if f, found := d.diagnoseState(state); found {
		return f
	}
	return ok("heartbeatd is ready; the API key was not checked: that needs --site-secret or --api-key")
}

// diagnoseAPI returns the finding for an API that does not answer. If the web server does not reach
// heartbeatd either, heartbeatd does not run. At the default URL this is no failure otherwise:
// heartbeatd may run on another machine.
func (d *checkup) diagnoseAPI(ctx context.Context, reason string) Finding {
	f := d.named("api-unreachable", "From here: %s.", reason)
	a, err := d.sendTimed(ctx, http.MethodPost, d.url("/beat"), "action=heartbeat", map[string]string{"Content-Type": formType})
	if err == nil && (a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout) {
		d.isDown = true
		return d.diagnoseStatus(a)
	}
	if d.API.API == apiclient.DefaultURL {
		f.Result = Warning
	}
	return f
}

// diagnoseCall returns the finding for a call that failed.
func (d *checkup) diagnoseCall(ctx context.Context, e *apiclient.Error) Finding {
	switch {
	case e.Status == 0:
		return d.diagnoseAPI(ctx, e.Reason)
	case e.Code == "":
		return d.named("api-unreachable", "From here: %s.", e.Reason)
	case e.Status == http.StatusUnauthorized && d.API.SiteSecret == "":
		return invalidFlag(e)
	case e.Status == http.StatusUnauthorized && d.isClockOff():
		return d.named("clock-off", "heartbeatd says %q.", e.Reason)
	}
	return d.named("wrong-secret", "heartbeatd says %q: %s.", e.Reason, e.Remedy)
}

// isClockOff reports whether the clocks are so far apart that heartbeatd refuses keys.
func (d *checkup) isClockOff() bool {
	return d.heartbeatdAhead != nil && (d.siteAhead-*d.heartbeatdAhead).Abs() > skewFails
}

// setClock notes how far heartbeatd's clock is ahead of ours.
func (d *checkup) setClock(ahead time.Duration) { d.heartbeatdAhead = &ahead }

// checkClocks compares the site's clock with heartbeatd's: WordPress writes the time
// of issue into tickets, and heartbeatd checks it.
func (d *checkup) checkClocks(context.Context) Finding {
	if d.heartbeatdAhead == nil {
		return skipped("heartbeatd's time is not known: it answered neither a call of %s nor a beat", d.API.Address())
	}
	apart := (d.siteAhead - *d.heartbeatdAhead).Round(time.Second)
	order := "ahead of"
	if apart < 0 {
		order = "behind"
	}
	switch text := fmt.Sprintf("PHP's clock is %s %s heartbeatd's.", apart.Abs(), order); {
	case apart.Abs() > skewFails:
		return d.named("clock-off", "%s", text)
	case apart.Abs() > skewWarns:
		return d.named("clock-differs", "%s", text)
	}
	if d.siteAhead.Abs() > skewFails {
		return ok("the clocks of the site and of heartbeatd agree; this machine's differs by %s", d.siteAhead.Abs().Round(time.Second))
	}
	return ok("the clocks of the site, of heartbeatd and of this machine agree")
}

// checkAdmin checks that the admin listener is not public.
func (d *checkup) checkAdmin(ctx context.Context) Finding {
	for _, base := range []string{originOf(d.base), d.base.String(), d.origin} {
		for _, path := range []string{"/readyz", "/metrics"} {
			a, err := d.sendTimed(ctx, http.MethodGet, base+path, "", nil)
			if err == nil && isAdmin(a) {
				return d.named("admin-public", "It answers at %s.", base+path)
			}
		}
	}
	if strings.HasPrefix(d.API.API, "unix:") {
		return ok("the web server does not pass the admin listener on, which is on a Unix socket")
	}
	api, err := url.Parse(d.API.API)
	if err != nil || api.Port() == "" {
		return skipped("--api %s has no port to check from outside", d.API.Address())
	}
	host := d.base.Hostname()
	if isLoopback(ctx, host) {
		return ok("the web server does not pass the admin listener on; its port was not checked, because %s is this machine", host)
	}
	address := "http://" + net.JoinHostPort(host, api.Port()) + "/readyz"
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // a firewall may drop the packets
	defer cancel()
	if a, err := d.send(ctx, http.MethodGet, address, "", nil); err == nil && isAdmin(a) {
		return d.named("admin-public", "It answers at %s.", address)
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
