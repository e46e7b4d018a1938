package page

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
)

const (
	// linkTimeout is how long a page waits for a tick over its link.
	linkTimeout = 2500 * time.Millisecond
	// postTimeout is the timeout of core's request.
	postTimeout = 30 * time.Second
)

// beats beats soon, and then at the page's interval, one beat at a time. A page that has a link is
// present before its first beat: its hello has its presence handles.
func (p *Page) beats(ctx context.Context) {
	wait := p.jitter(min(time.Second, p.world.BeatEvery))
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-p.nudged:
			timer.Stop()
		}
		began := time.Now()
		p.beat(ctx)
		wait = max(0, p.world.BeatEvery-time.Since(began))
	}
}

// handles returns the presence handles of the page's beats.
func (p *Page) handles() string {
	data := "data%5Bpresence-ping%5D%5Bscreen%5D=" + url.QueryEscape(p.Screen)
	if p.Post != 0 {
		data += "&data%5Bpresence-editor-ping%5D%5Bpost_id%5D=" + strconv.FormatInt(p.Post, 10)
	}
	return data + "&screen_id=" + url.QueryEscape(p.Screen) + "&has_focus=true"
}

func (p *Page) note() string { return p.handles() + "&idle=0" }

// beat sends a beat. It has exactly one answer: a tick or a decline of heartbeatd, after which the
// back end answers, or that of the back end.
func (p *Page) beat(ctx context.Context) {
	t := &p.world.Tally
	t.Begun.Add(1)
	body := p.handles() + "&interval=15&_nonce=" + backend.Nonce + "&action=heartbeat"
	p.mu.Lock()
	l, native := p.link, time.Since(p.issued) < p.life
	p.mu.Unlock()
	switch {
	case !native:
	case len(p.Kind.order) == 0:
		if p.beatByPost(ctx, body) {
			return
		}
	case l != nil:
		if p.beatOver(ctx, l, body) {
			return
		}
	}
	if ctx.Err() == nil {
		p.post(native)
	}
}

// beatOver sends a beat over a link, and reports whether heartbeatd has answered it.
func (p *Page) beatOver(ctx context.Context, l link, body string) bool {
	t := &p.world.Tally
	late := time.NewTimer(linkTimeout)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return true // the page is gone
	case f := <-l.beat(body):
		if f == nil {
			return false
		}
		if f.Type == "decline" {
			t.Declines.Add(1)
			return false
		}
		p.ticked(f.Status, f.Body)
		return true
	case <-late.C:
		t.Late.Add(1)
		p.notef("a beat has no answer after %v", linkTimeout)
		l.close()
		return false
	}
}

// beatByPost posts a beat to heartbeatd, as a client does that has no link.
func (p *Page) beatByPost(ctx context.Context, body string) bool {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://public/heartbeat/beat", strings.NewReader(body))
	if err != nil {
		return false
	}
	p.mu.Lock()
	for name, values := range p.header {
		r.Header[name] = values
	}
	r.Header.Set("Heartbeat-Ticket", p.ticket)
	p.mu.Unlock()
	r.Header.Set("Heartbeat-Connection", p.Conn)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	answer, err := p.world.Client.Do(r)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxFrame))
	if answer.StatusCode == http.StatusConflict {
		p.world.Tally.Declines.Add(1)
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		return false
	}
	p.ticked(answer.StatusCode, string(text))
	return true
}

// ticked handles a tick of heartbeatd.
func (p *Page) ticked(status int, body string) {
	p.world.Tally.Ticks.Add(1)
	var tick struct {
		Auth *bool `json:"wp-auth-check"`
		Time int64 `json:"server_time"`
	}
	if err := json.Unmarshal([]byte(body), &tick); err != nil || status != http.StatusOK || tick.Auth == nil || tick.Time == 0 {
		p.world.Tally.wrong.Add(1)
		return
	}
	if !*tick.Auth {
		p.end("a tick says that the user is logged out")
	}
}

// post posts a beat to the back end. Its presence handles go over the link, if there is one.
func (p *Page) post(fresh bool) {
	t := &p.world.Tally
	t.Posted.Add(1)
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	noted := l != nil && l.send("note", p.note()) && fresh
	answer := p.world.Backend.Beat(p.Place, noted)
	if answer == "" {
		p.end("the back end says that the user is logged out")
		return
	}
	p.mu.Lock()
	p.useTicket(answer)
	l = p.link
	p.mu.Unlock()
	if l != nil {
		l.send("ticket", answer)
		l.send("note", p.note())
	}
}

// receive handles a frame.
func (p *Page) receive(f *frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Cursor != "" && (f.Type != "welcome" || epoch(f.Cursor) != epoch(p.cursor)) {
		p.cursor = f.Cursor
	}
	switch f.Type {
	case "nudge":
		time.AfterFunc(time.Duration(p.rng.Int64N(f.Spread+1))*time.Millisecond, p.nudge)
	case "move":
		select {
		case p.moves <- struct{}{}:
		default:
		}
	case "missed":
		p.missed = append(p.missed, time.Now())
	case "push":
		var data struct {
			N int `json:"n"`
		}
		if json.Unmarshal(f.Data, &data) != nil || data.N == 0 || p.seen[data.N] {
			return
		}
		p.seen[data.N] = true
		p.received = append(p.received, Push{data.N, time.Now(), f.Cursor})
	case "presence":
		if f.Room == p.Room() {
			p.presence(f)
		}
	}
}

// presence applies the changes of the room of the page's post.
func (p *Page) presence(f *frame) {
	if f.Snapshot != nil {
		p.shown = true
		clear(p.postRoom)
		for _, e := range *f.Snapshot {
			p.postRoom[e.ClientID] = true
		}
	}
	for _, e := range slices.Concat(f.Joined, f.Updated) {
		p.postRoom[e.ClientID] = true
	}
	for _, e := range f.Left {
		delete(p.postRoom, e.ClientID)
	}
}

// epoch returns the part of a cursor that names the stream.
func epoch(cursor string) string {
	name, _, _ := strings.Cut(cursor, "-")
	return name
}

// String names the page in a message.
func (p *Page) String() string {
	return fmt.Sprintf("%s page of user %d of %s", p.Kind.Name, p.User.ID, p.User.Site)
}
