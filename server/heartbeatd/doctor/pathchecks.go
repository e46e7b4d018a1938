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
	if err == nil {
		_ = c.CloseNow()
		return d.named("any-origin", "A page of %s opened a WebSocket.", foreignOrigin)
	}
	if response == nil {
		return d.diagnoseError(d.url("/socket"), err)
	}
	if a := handshakeAnswer(response); a.status != http.StatusForbidden || !strings.Contains(a.body, transport.OriginRefused) {
		return skipped("the origins were not checked: another program than heartbeatd answers at the URL of the WebSocket (%d): %s", a.status, excerpt(a.body))
	}
	if !d.isSameOrigin() {
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
		return d.named("cors-headers", "The web server adds its own: Access-Control-Allow-Origin is %q.", allowed)
	case !strings.Contains(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), "heartbeat-ticket"):
		return d.named("cors-headers", "The web server answers OPTIONS itself: pages may not send a ticket.")
	}
	return ok("pages of %s can access %s, and those of other origins are refused", d.origin, d.base.Host)
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
		if f := <-results; f.Name != "" {
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
		return d.named("no-frames", "No welcome frame: %s.", d.describe(got, err))
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
	return d.named("idle-timeout", "A silent %s is closed after %s: %s.", what, after.Round(100*time.Millisecond), why)
}
