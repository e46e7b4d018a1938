package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// dial opens a WebSocket as a page of an origin does. Its URL is its own: a cache that stores a refusal must
// not answer pages with it.
func (d *checkup) dial(ctx context.Context, origin string) (*websocket.Conn, *http.Response, error) {
	return d.dialWith(ctx, d.http, origin)
}

func (d *checkup) dialWith(ctx context.Context, client *http.Client, origin string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	header := make(http.Header)
	d.addBrowserHeaders(header, d.base.Host)
	header.Set("Origin", origin)
	if header.Get("Sec-Fetch-Mode") != "" {
		header.Set("Sec-Fetch-Mode", "websocket")
	}
	return websocket.Dial(ctx, d.urlWith("/socket", unusedID()), &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{transport.Subprotocol}, HTTPHeader: header,
		CompressionMode: websocket.CompressionContextTakeover, // browsers offer it
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
		return d.named("no-frames", "It opens without the subprotocol %s: pass `Sec-WebSocket-Protocol` on.", transport.Subprotocol)
	}
	d.socketOpens = true
	got, err := d.exchange(ctx, c, withoutTicket.hello(), "bye")
	if err != nil || got.Code != transport.CodeTicket {
		return d.named("no-frames", "What happens: %s.", d.describe(got, err))
	}
	return ok("a WebSocket opens at %s, and frames pass in both directions", d.url("/socket"))
}

// diagnoseHandshake explains why a WebSocket does not open.
func (d *checkup) diagnoseHandshake(response *http.Response, err error) Finding {
	if response == nil {
		return d.diagnoseError(d.url("/socket"), err)
	}
	a := handshakeAnswer(response)
	switch {
	case a.status == http.StatusSwitchingProtocols:
		return d.named("other-answer", "The handshake of a WebSocket is invalid: %s.", apiclient.Cause(err))
	case a.status == http.StatusUpgradeRequired, a.status == http.StatusBadRequest && strings.Contains(a.body, "WebSocket"):
		return d.named("no-upgrade", "It answers %d: %s", a.status, excerpt(a.body))
	}
	return d.diagnose(a)
}

// handshakeAnswer returns the answer to a handshake that failed. Package websocket has read the
// beginning of its body.
func handshakeAnswer(response *http.Response) *answer {
	a := &answer{status: response.StatusCode, header: response.Header}
	if response.Body != nil {
		b, _ := io.ReadAll(response.Body)
		a.body = string(b)
	}
	return a
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
		return d.named("no-frames", "No welcome frame: %s.", d.describe(got, err))
	}
	started := time.Now()
	got, err = d.exchange(ctx, c, p.beatFrame(1), "tick")
	if err != nil || got.Type != "tick" {
		return d.named("no-frames", "A beat gets no tick: %s.", d.describe(got, err))
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
	switch {
	case err != nil:
		return d.diagnoseError(url, err)
	case isRefusal(a) && !d.hasTicket():
		d.postWorks = true
		return ok("%s is reachable; no beat was sent: that needs a valid ticket", url)
	case a.status == http.StatusOK && strings.Contains(a.body, `"server_time":`):
		d.postWorks = true
		d.readTick(a.body, a.took)
		return ok("a beat by POST is answered in %d ms", a.took.Milliseconds())
	case isRefusal(a) && strings.Contains(a.body, "no ticket"):
		return d.named("header-removed", "`Heartbeat-Ticket` does not arrive.")
	case isRefusal(a):
		return d.diagnoseRefusal(a.body)
	}
	return d.diagnose(a)
}
