package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/transport"
)

// frame is any frame from heartbeatd, as far as the doctor reads it.
type frame struct {
	Type    string
	ID      int
	Status  int
	Body    string
	Room    string
	Session string
	Reason  string
	Code    int
	Joined  []struct {
		UserID int64 `json:"user_id"`
	}
}

// polled is an answer to a poll.
type polled struct {
	Seq    uint64
	Frames []frame
}

// joined says whether a poll brought news of somebody in a room.
func (p polled) joined(room string, user int64) bool {
	for _, f := range p.Frames {
		for _, e := range f.Joined {
			if f.Room == room && e.UserID == user {
				return true
			}
		}
	}
	return false
}

const helloWithoutTicket = `{"type":"hello","conn":"doctor-without-ticket","ticket":"none"}`

func (v *visit) hello() string {
	b, _ := json.Marshal(map[string]string{"type": "hello", "conn": v.conn, "ticket": v.ticket}) // strings cannot fail
	return string(b)
}

func (v *visit) beatFrame(id int) string {
	b, _ := json.Marshal(map[string]any{"type": "beat", "id": id, "body": v.beat(true)})
	return string(b)
}

// dial opens a socket as a page of an origin would.
func (d *checkup) dial(ctx context.Context, origin string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	return websocket.Dial(ctx, d.at("/socket"), &websocket.DialOptions{
		HTTPClient: d.http, Subprotocols: []string{transport.Subprotocol},
		HTTPHeader: http.Header{"Origin": {origin}, "User-Agent": {"heartbeatd doctor"}},
	})
}

// checkSocket is the way of a WebSocket through the web server. A ticket that
// is refused shows as well as a good one that frames go both ways.
func (d *checkup) checkSocket(ctx context.Context) finding {
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		return d.noSocket(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	if c.Subprotocol() != transport.Subprotocol {
		return failed("Pass Sec-WebSocket-Protocol on; is it heartbeatd that answers there?", "the socket opens without the subprotocol %s", transport.Subprotocol)
	}
	d.upgraded = true
	said, err := d.exchange(ctx, c, helloWithoutTicket, "bye")
	if err != nil || said.Code != transport.CodeTicket {
		return failed("Does the web server, or a CDN, close or hold back upgraded connections?", "the socket opens, and frames do not come through it: %s", d.whatCame(said, err))
	}
	return ok("the socket opens at %s, and frames go both ways", d.at("/socket"))
}

func (d *checkup) noSocket(response *http.Response, err error) finding {
	if response == nil {
		return d.unreachable(d.at("/socket"), err)
	}
	a := &answer{status: response.StatusCode, header: response.Header}
	if response.Body != nil {
		b := make([]byte, 1024)
		n, _ := response.Body.Read(b)
		a.body = string(b[:n])
	}
	switch a.status {
	case http.StatusSwitchingProtocols:
		return failed("Is it a proxy that answers for heartbeatd?", "the handshake is broken: %s", plain(err))
	case http.StatusBadRequest, http.StatusUpgradeRequired:
		return failed("Pass Upgrade and Connection on, over HTTP/1.1: nginx `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade` and `Connection`; Apache `upgrade=websocket` and Caddy by itself; "+recipes,
			"the web server passes the request on without its upgrade (%d): %s", a.status, excerpt(a.body))
	}
	return d.astray(a)
}

// exchange writes a frame and reads until one of a type, or a bye, comes.
func (d *checkup) exchange(ctx context.Context, c *websocket.Conn, say, kind string) (frame, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(say)); err != nil {
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

func (d *checkup) whatCame(f frame, err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing came back within " + d.patience.String()
	case err != nil:
		return plain(err)
	}
	return fmt.Sprintf("a %s came, %d %s", f.Type, f.Code, f.Reason)
}

// checkTicket opens a page's session over the socket, and beats.
func (d *checkup) checkTicket(ctx context.Context) finding {
	if d.SiteSecret == "" {
		return leftOut("without --site-secret no ticket can be signed: the secret and a beat over the socket were not tried")
	}
	v, err := d.visit()
	if err != nil {
		return failed("Mend the flag", "%v", err)
	}
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		if !d.upgraded {
			return leftOut("there is no socket to try a ticket on")
		}
		return d.noSocket(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	said, err := d.exchange(ctx, c, v.hello(), "welcome")
	if said.Type == "bye" {
		d.refused = true
		return d.refusedTicket(said.Reason)
	}
	if err != nil {
		return failed("See heartbeatd's log", "no welcome: %s", d.whatCame(said, err))
	}
	started := time.Now()
	said, err = d.exchange(ctx, c, v.beatFrame(1), "tick")
	if err != nil || said.Type != "tick" {
		return failed("See heartbeatd's log", "a beat over the socket has no tick: %s", d.whatCame(said, err))
	}
	took := time.Since(started)
	d.readTick(said.Body, took)
	_, _ = d.exchange(ctx, c, `{"type":"leave"}`, "bye") // nobody stays behind; an entry that did would expire
	return ok("a ticket is accepted, and a beat over the socket is answered in %d ms", took.Milliseconds())
}

// readTick takes heartbeatd's time from a tick, unless it is known better.
func (d *checkup) readTick(body string, took time.Duration) {
	var tick struct {
		Time int64 `json:"server_time"`
	}
	if d.heartbeatdAhead == nil && json.Unmarshal([]byte(body), &tick) == nil && tick.Time > 0 {
		d.learnTime(time.Until(time.Unix(tick.Time, 0)) + took/2)
	}
}

// checkPost is the beat of a client that has neither socket nor poll.
func (d *checkup) checkPost(ctx context.Context) finding {
	address := d.at("/beat")
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
	body := "action=heartbeat"
	if d.signs() {
		v, err := d.visit()
		if err != nil {
			return failed("Mend the flag", "%v", err)
		}
		header["Heartbeat-Ticket"], body = v.ticket, v.beat(false)
	}
	a, err := d.askSoon(ctx, http.MethodPost, address, body, header)
	missing := a != nil && a.status == http.StatusForbidden && strings.Contains(a.body, "no ticket")
	switch {
	case err != nil:
		return d.unreachable(address, err)
	case missing && !d.signs():
		return ok("%s takes beats; without a good ticket none was answered", address)
	case a.status == http.StatusOK && strings.Contains(a.body, `"server_time":`):
		d.readTick(a.body, a.took)
		return ok("a beat by POST is answered in %d ms", a.took.Milliseconds())
	case missing:
		return failed("Pass the header Heartbeat-Ticket on", "the web server takes the header Heartbeat-Ticket away")
	case a.status == http.StatusForbidden && strings.HasPrefix(a.body, "bye 4003"):
		return d.refusedTicket(a.body)
	}
	return d.astray(a)
}

// bye reads the frame that refuses a long-poll request.
func (a *answer) bye() (frame, bool) {
	var f frame
	err := json.Unmarshal([]byte(a.body), &f)
	return f, err == nil && f.Type == "bye"
}

// open starts a long-poll session; what it finds is nil when there is one.
func (d *checkup) open(ctx context.Context, hello string) (session string, found *finding) {
	address := d.at("/open")
	a, err := d.askSoon(ctx, http.MethodPost, address, hello, map[string]string{"Content-Type": "application/json"})
	if err != nil {
		f := d.unreachable(address, err)
		return "", &f
	}
	var f finding
	var welcome frame
	if bye, isBye := a.bye(); isBye {
		f = d.refusedTicket(bye.Reason)
	} else if json.Unmarshal([]byte(a.body), &welcome) == nil && a.status == http.StatusOK && welcome.Session != "" {
		return welcome.Session, nil
	} else {
		f = d.astray(a)
	}
	return "", &f
}

// poll asks once what came after a seq.
func (d *checkup) poll(ctx context.Context, session string, after uint64) (*answer, polled, error) {
	var p polled
	a, err := d.ask(ctx, http.MethodGet, d.at("/poll?after="+strconv.FormatUint(after, 10)), "", map[string]string{transport.SessionHeader: session})
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal([]byte(a.body), &p)
	}
	return a, p, err
}
