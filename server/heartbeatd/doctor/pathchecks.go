package doctor

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// foreignOrigin is an origin that no site has.
const foreignOrigin = "https://heartbeatd-doctor.invalid"

// checkOrigins opens a WebSocket as a page of another site.
func (d *checkup) checkOrigins(ctx context.Context) Finding {
	c, response, err := d.dial(ctx, foreignOrigin)
	switch {
	case err == nil:
		_ = c.CloseNow()
		return failed("Pass the header Origin on unchanged, and check --site-origin", "a page of any origin can open a WebSocket")
	case response == nil:
		return d.diagnoseError(d.url("/socket"), err)
	case response.StatusCode != http.StatusForbidden:
		return skipped("the origins were not checked: the URL of the WebSocket answers %d", response.StatusCode)
	case !d.isSameOrigin():
		return d.checkCORS(ctx)
	}
	return ok("pages of other origins are refused")
}

// checkCORS sends the request by which browsers find out whether a page may access
// another host.
func (d *checkup) checkCORS(ctx context.Context) Finding {
	url := d.url("/beat")
	a, err := d.sendTimed(ctx, http.MethodOptions, url, "", map[string]string{
		"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,heartbeat-session,heartbeat-ticket",
	})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	allowed := a.header.Values("Access-Control-Allow-Origin")
	switch {
	case a.status/100 != 2:
		return d.diagnose(a)
	case len(allowed) != 1 || allowed[0] != d.origin:
		return failed("heartbeatd sends the Access-Control headers: the web server must not add its own", "browsers refuse the site's pages: Access-Control-Allow-Origin is %q", allowed)
	case !strings.Contains(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), "heartbeat-ticket"):
		return failed("heartbeatd sends the Access-Control headers: the web server must not answer OPTIONS itself", "browsers do not let the site's pages send a ticket")
	}
	return ok("pages of %s can access %s, and those of other origins are refused", d.origin, d.base.Host)
}

// checkCache sends the polls of two pages to the same URL: each must get its own
// answer.
func (d *checkup) checkCache(ctx context.Context) Finding {
	remedy := "Exclude " + d.path() + " from every cache"
	if !d.pollWorks {
		return d.checkCacheHeaders(ctx, remedy)
	}
	for range 2 {
		p, found := d.newSession(ctx)
		if found != nil {
			return *found
		}
		limited, cancel := context.WithTimeout(ctx, d.timeout)
		a, got, err := d.poll(limited, p.session, 0)
		cancel()
		d.leave(ctx, p)
		if f := d.diagnosePoll(a, err); f != nil {
			return *f
		}
		for _, f := range got.Frames {
			if f.Room != p.room {
				return failed(remedy, "a page gets the answer to another page's poll from a cache")
			}
		}
		if hit := cacheHit(a.header); hit != "" {
			return failed(remedy, "a cache answers in place of heartbeatd (%s)", hit)
		}
	}
	return ok("heartbeatd's answers are not cached")
}

// checkCacheHeaders checks for a cache without a session.
func (d *checkup) checkCacheHeaders(ctx context.Context, remedy string) Finding {
	a, err := d.sendTimed(ctx, http.MethodGet, d.url("/poll?after=0"), "", map[string]string{transport.SessionHeader: "none"})
	if err == nil {
		a, err = d.sendTimed(ctx, http.MethodGet, d.url("/poll?after=0"), "", map[string]string{transport.SessionHeader: "nobody"})
	}
	switch {
	case err != nil:
		return d.diagnoseError(d.url("/poll"), err)
	case cacheHit(a.header) != "":
		return failed(remedy, "a cache answers in place of heartbeatd (%s)", cacheHit(a.header))
	case a.status != http.StatusGone:
		return skipped("caches were not checked: heartbeatd does not answer polls (%d)", a.status)
	}
	return ok("no header of an answer names a cache; a full check needs a valid ticket")
}

// cacheHit returns the header that says that an answer is from a cache, if there is
// one.
func cacheHit(h http.Header) string {
	if age := h.Get("Age"); age != "" && age != "0" {
		return "Age: " + age
	}
	for _, name := range []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "X-Fastcgi-Cache"} {
		if value := h.Get(name); strings.Contains(strings.ToUpper(value), "HIT") {
			return name + ": " + value
		}
	}
	return ""
}

// checkIdle keeps a WebSocket and a poll silent for as long as pages do.
func (d *checkup) checkIdle(ctx context.Context) Finding {
	if d.Idle <= 0 || !d.hasTicket() || !d.socketOpens && !d.pollWorks {
		return skipped("the duration of silent connections was not checked: that needs a valid ticket and an --idle above 0s")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // if one connection is closed early, the other check ends
	results := make(chan Finding, 2)
	var both sync.WaitGroup
	defer both.Wait()
	if d.socketOpens {
		both.Go(func() { results <- d.idleSocket(ctx) })
	}
	if d.pollWorks {
		both.Go(func() { results <- d.idlePoll(ctx) })
	}
	for _, runs := range []bool{d.socketOpens, d.pollWorks} {
		if !runs {
			continue
		}
		if f := <-results; f.Result == Failed {
			cancel()
			return f
		}
	}
	return ok("silent connections last for %s", d.Idle)
}

func (d *checkup) idleSocket(ctx context.Context) Finding {
	p, err := d.newPage()
	if err != nil {
		return invalidFlag(err)
	}
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		return d.diagnoseHandshake(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	if got, err := d.exchange(ctx, c, p.hello(), "welcome"); err != nil || got.Type == "bye" {
		return failed(readLog, "no welcome frame: %s", d.describe(got, err))
	}
	started := time.Now()
	idle, cancel := context.WithTimeout(ctx, d.Idle)
	defer cancel()
	for {
		if _, _, err := c.Read(idle); idle.Err() != nil {
			return Finding{}
		} else if err != nil {
			return d.closedEarly("WebSocket", time.Since(started), apiclient.Cause(err))
		}
	}
}

func (d *checkup) idlePoll(ctx context.Context) Finding {
	p, found := d.newSession(ctx)
	if found != nil {
		return *found
	}
	defer d.leave(ctx, p)
	idle, cancel := context.WithTimeout(ctx, d.Idle)
	defer cancel()
	_, first, err := d.poll(idle, p.session, 0)
	if err != nil {
		return d.closedEarly("poll", 0, apiclient.Cause(err))
	}
	started := time.Now()
	a, _, err := d.poll(idle, p.session, first.Seq)
	switch took := time.Since(started); {
	case err == nil && a.status == http.StatusOK, idle.Err() != nil && d.Idle <= transport.PollWait:
		return Finding{}
	case err != nil:
		return d.closedEarly("poll", took, apiclient.Cause(err))
	default:
		return d.closedEarly("poll", took, http.StatusText(a.status))
	}
}

func (d *checkup) closedEarly(what string, after time.Duration, why string) Finding {
	return failed("Raise the timeout of the web server for "+d.path()+" to a minute: nginx `proxy_read_timeout` and `proxy_send_timeout`, Apache `ProxyTimeout`; a CDN or a firewall may have one too",
		"a silent %s is closed after %s: %s", what, after.Round(100*time.Millisecond), why)
}
