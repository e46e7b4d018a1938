package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// dial opens a WebSocket as a page of an origin does.
func (d *checkup) dial(ctx context.Context, origin string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return websocket.Dial(ctx, d.url("/socket"), &websocket.DialOptions{
		HTTPClient: d.http, Subprotocols: []string{transport.Subprotocol},
		HTTPHeader: http.Header{"Origin": {origin}, "User-Agent": {userAgent}},
	})
}

// checkSocket opens a WebSocket through the web server. The refusal of an invalid
// ticket shows that frames pass in both directions.
func (d *checkup) checkSocket(ctx context.Context) Finding {
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		return d.diagnoseHandshake(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	if c.Subprotocol() != transport.Subprotocol {
		return failed("Pass Sec-WebSocket-Protocol on, and check that the server there is heartbeatd", "the WebSocket opens without the subprotocol %s", transport.Subprotocol)
	}
	d.socketOpens = true
	got, err := d.exchange(ctx, c, helloWithoutTicket, "bye")
	if err != nil || got.Code != transport.CodeTicket {
		return failed("Check whether the web server or a CDN closes or buffers upgraded connections", "the WebSocket opens, but frames do not pass: %s", d.describe(got, err))
	}
	return ok("a WebSocket opens at %s, and frames pass in both directions", d.url("/socket"))
}

// diagnoseHandshake explains why a WebSocket does not open.
func (d *checkup) diagnoseHandshake(response *http.Response, err error) Finding {
	if response == nil {
		return d.diagnoseError(d.url("/socket"), err)
	}
	a := &answer{status: response.StatusCode, header: response.Header}
	if response.Body != nil {
		b := make([]byte, 1024)
		n, _ := response.Body.Read(b)
		a.body = string(b[:n])
	}
	switch a.status {
	case http.StatusSwitchingProtocols:
		return failed("Check whether a proxy answers in place of heartbeatd", "the WebSocket handshake is invalid: %s", apiclient.Cause(err))
	case http.StatusBadRequest, http.StatusUpgradeRequired:
		return failed("Pass Upgrade and Connection on, over HTTP/1.1: nginx `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade` and `Connection`; Apache `upgrade=websocket`; Caddy does so by default; "+recipes,
			"the web server passes the request on without its upgrade (%d): %s", a.status, excerpt(a.body))
	}
	return d.diagnose(a)
}

// exchange writes a frame, and reads frames until one of a type or a bye arrives.
func (d *checkup) exchange(ctx context.Context, c *websocket.Conn, out, kind string) (frame, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(out)); err != nil {
		return frame{}, err
	}
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			return frame{}, err
		}
		var f frame
		if err := json.Unmarshal(b, &f); err != nil {
			return f, err
		}
		if f.Type == kind || f.Type == "bye" {
			return f, nil
		}
	}
}

// describe describes the result of an exchange that failed.
func (d *checkup) describe(f frame, err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no frame within " + d.timeout.String()
	case err != nil:
		return apiclient.Cause(err)
	}
	return fmt.Sprintf("a %s frame arrives, %d %s", f.Type, f.Code, f.Reason)
}

// checkTicket opens the session of a page over a WebSocket, and sends a beat.
func (d *checkup) checkTicket(ctx context.Context) Finding {
	if d.API.SiteSecret == "" {
		return skipped("the secret and a beat over the WebSocket were not checked: that needs --site-secret")
	}
	p, err := d.newPage()
	if err != nil {
		return invalidFlag(err)
	}
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		if !d.socketOpens {
			return skipped("the ticket was not checked: that needs a WebSocket")
		}
		return d.diagnoseHandshake(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	got, err := d.exchange(ctx, c, p.hello(), "welcome")
	if got.Type == "bye" {
		d.ticketRefused = true
		return d.diagnoseRefusal(got.Reason)
	}
	if err != nil {
		return failed(readLog, "no welcome frame: %s", d.describe(got, err))
	}
	started := time.Now()
	got, err = d.exchange(ctx, c, p.beatFrame(1), "tick")
	if err != nil || got.Type != "tick" {
		return failed(readLog, "a beat over the WebSocket gets no tick: %s", d.describe(got, err))
	}
	took := time.Since(started)
	d.readTick(got.Body, took)
	_, _ = d.exchange(ctx, c, `{"type":"leave"}`, "bye") // if this fails, the page's entry expires
	return ok("heartbeatd accepts the ticket, and answers a beat over the WebSocket in %d ms", took.Milliseconds())
}

// readTick takes heartbeatd's time from a tick if it is not known yet.
func (d *checkup) readTick(body string, took time.Duration) {
	var tick struct {
		Time int64 `json:"server_time"`
	}
	if d.heartbeatdAhead == nil && json.Unmarshal([]byte(body), &tick) == nil && tick.Time > 0 {
		d.setClock(time.Until(time.Unix(tick.Time, 0)) + took/2)
	}
}

// checkPost sends the beat of a client that has neither a WebSocket nor a long-poll.
func (d *checkup) checkPost(ctx context.Context) Finding {
	url := d.url("/beat")
	header := map[string]string{"Content-Type": formType}
	body := "action=heartbeat"
	if d.hasTicket() {
		p, err := d.newPage()
		if err != nil {
			return invalidFlag(err)
		}
		header["Heartbeat-Ticket"], body = p.ticket, p.beat(false)
	}
	a, err := d.sendTimed(ctx, http.MethodPost, url, body, header)
	noTicket := a != nil && a.status == http.StatusForbidden && strings.Contains(a.body, "no ticket")
	switch {
	case err != nil:
		return d.diagnoseError(url, err)
	case noTicket && !d.hasTicket():
		return ok("%s is reachable; no beat was sent: that needs a valid ticket", url)
	case a.status == http.StatusOK && strings.Contains(a.body, `"server_time":`):
		d.readTick(a.body, a.took)
		return ok("a beat by POST is answered in %d ms", a.took.Milliseconds())
	case noTicket:
		return failed("Pass the header Heartbeat-Ticket on", "the web server removes the header Heartbeat-Ticket")
	case a.status == http.StatusForbidden && strings.HasPrefix(a.body, "bye 4003"):
		return d.diagnoseRefusal(a.body)
	}
	return d.diagnose(a)
}
