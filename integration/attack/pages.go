//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// late is when the drop-in posts a beat itself: the answer is too late then.
	late = 2500 * time.Millisecond
	// pageLife is how long a page stays open. heartbeatd leaves the beats of old tickets to PHP.
	pageLife = 3 * time.Minute
	// pagesOfEach is the number of good pages of each kind.
	pagesOfEach = 8
)

// page is a good page. beat sends one beat and returns the answer.
type page interface {
	beat(ctx context.Context) (answer string, err error)
	close()
}

// kinds open the good pages.
var kinds = []struct {
	name string
	open func(context.Context, *target, *tally, int) (page, error)
	want string // a part of each answer
}{
	{"WebSocket", openSocketPage, `"wp-auth-check":true`},
	{"long-poll", openPollPage, `"wp-auth-check":true`},
	{"POST", openPoster("/heartbeat/beat", true), `"wp-auth-check":true`},
	{"admin-ajax.php", openPoster(ajaxPath, true), `"wp-auth-check":true`},
	{"admin-ajax.php, for PHP", openPoster(ajaxPath, false), answerOfPHP},
}

// runPages opens the good pages. Each sends a beat whenever due has a value, until it is closed.
func runPages(ctx context.Context, at *target, t *tally, due <-chan struct{}) (wait func(), err error) {
	var pages sync.WaitGroup
	for i, kind := range kinds {
		for j := range pagesOfEach {
			user := 1 + i*pagesOfEach + j
			open := func() (page, error) { return kind.open(ctx, at, t, user) }
			p, err := open()
			if err != nil {
				return nil, fmt.Errorf("a good page over %s: %w", kind.name, err)
			}
			pages.Go(func() {
				opened := time.Now()
				for range due {
					if time.Since(opened) > pageLife {
						p.close()
						if p, err = open(); err != nil {
							t.fault("a good page over %s cannot open: %v", kind.name, err)
							return
						}
						opened = time.Now()
					}
					began := time.Now()
					answer, err := p.beat(ctx)
					t.beat(kind.name, time.Since(began))
					if err != nil || !strings.Contains(answer, kind.want) {
						t.fault("a good beat over %s: %v %s", kind.name, err, cut([]byte(answer)))
					}
				}
				p.close()
			})
		}
	}
	return pages.Wait, nil
}

// goodForm is the body of a good beat.
func goodForm() string { return forms[0] }

func goodTicket(user int) string { return sign(blog, blogSecret, claims(user, goodName(user))) }

func goodName(user int) string { return fmt.Sprintf("Good %d", user) }

func goodHello(user int) string {
	return fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"good-%06d"}`, goodTicket(user), user)
}

// hear checks that a frame is JSON, and that nobody but themselves writes the entries of good
// users.
func hear(t *tally, b []byte) (kind, body string) {
	type member struct {
		ID     string `json:"client_id"`
		UserID int    `json:"user_id"`
		Name   string `json:"display_name"`
	}
	var f struct {
		Type, Body                      string
		Snapshot, Joined, Updated, Left []member
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.fault("a good page receives %q: %v", cut(b), err)
	}
	for _, list := range [][]member{f.Snapshot, f.Joined, f.Updated, f.Left} {
		for _, m := range list {
			if m.UserID < firstAttacker && m.Name != goodName(m.UserID) || m.UserID >= firstAttacker+attackers {
				t.fault("a forged entry: %+v", m)
			}
		}
	}
	return f.Type, f.Body
}

// socketPage is a page over a WebSocket.
type socketPage struct {
	conn  *websocket.Conn
	ticks chan string
	id    int
}

func openSocketPage(ctx context.Context, at *target, t *tally, user int) (page, error) {
	c, _, err := websocket.Dial(ctx, "ws://"+at.public+"/heartbeat/socket", &websocket.DialOptions{Host: goodHost, Subprotocols: []string{"heartbeat.v1"}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(maxAnswer)
	p := &socketPage{conn: c, ticks: make(chan string, 10)}
	go func() {
		defer close(p.ticks)
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			switch kind, body := hear(t, b); kind {
			case "tick":
				p.ticks <- body
			case "decline", "bye":
				p.ticks <- string(b)
			}
		}
	}()
	return p, c.Write(ctx, websocket.MessageText, []byte(goodHello(user)))
}

func (p *socketPage) beat(ctx context.Context) (string, error) {
	p.id++
	frame := fmt.Sprintf(`{"type":"beat","id":%d,"body":%q}`, p.id, goodForm())
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		return "", err
	}
	select {
	case tick, open := <-p.ticks:
		if !open {
			return "", errors.New("the connection has ended")
		}
		return tick, nil
	case <-time.After(endWait):
		return "", errors.New("no tick")
	}
}

func (p *socketPage) close() {
	_ = p.conn.Write(context.Background(), websocket.MessageText, []byte(`{"type":"leave"}`))
	for range p.ticks { // until heartbeatd has closed the connection
	}
}

// poster is a page that posts its beats.
type poster struct {
	http         *http.Client
	url          string
	user         int
	session      string // over long-poll
	withoutLinks bool   // no ticket: PHP answers
}

func openPoster(path string, ticket bool) func(context.Context, *target, *tally, int) (page, error) {
	return func(_ context.Context, at *target, _ *tally, user int) (page, error) {
		return &poster{http: &http.Client{Transport: &http.Transport{}, Timeout: endWait}, url: "http://" + at.public + path, user: user, withoutLinks: !ticket}, nil
	}
}

func (p *poster) post(ctx context.Context, url, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Host = goodHost
	r.Header.Set("Content-Type", strings.TrimPrefix(formType, "Content-Type: "))
	switch {
	case p.session != "":
		r.Header.Set("Heartbeat-Session", p.session)
	case !p.withoutLinks:
		r.Header.Set("Heartbeat-Ticket", goodTicket(p.user))
	}
	return p.read(r)
}

func (p *poster) read(r *http.Request) (string, error) {
	answer, err := p.http.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return string(b), err
}

func (p *poster) beat(ctx context.Context) (string, error) { return p.post(ctx, p.url, goodForm()) }

func (p *poster) close() { p.http.CloseIdleConnections() }

// pollPage is a page over long-poll.
type pollPage struct {
	*poster
	stop    context.CancelFunc
	polling chan struct{} // closed when it polls no more
	id      int
}

func openPollPage(ctx context.Context, at *target, t *tally, user int) (page, error) {
	base := "http://" + at.public + "/heartbeat"
	client := &http.Client{Transport: &http.Transport{}}
	p := &pollPage{poster: &poster{http: client, url: base, user: user, withoutLinks: true}, polling: make(chan struct{})}
	welcome, err := p.post(ctx, base+"/open", goodHello(user))
	var w struct{ Session string }
	if err = errors.Join(err, json.Unmarshal([]byte(welcome), &w)); err != nil {
		return nil, err
	}
	p.session = w.Session
	ctx, p.stop = context.WithCancel(ctx)
	go p.poll(ctx, t)
	return p, nil
}

func (p *pollPage) poll(ctx context.Context, t *tally) {
	defer close(p.polling)
	after := uint64(0)
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/poll?after=%d", p.url, after), nil)
		if err != nil {
			t.fault("a poll: %v", err)
			return
		}
		r.Header.Set("Heartbeat-Session", p.session)
		b, err := p.read(r)
		var answer struct {
			Seq    uint64
			Frames []json.RawMessage
		}
		if err = errors.Join(err, json.Unmarshal([]byte(b), &answer)); err != nil {
			if ctx.Err() == nil {
				t.fault("a poll of a good page: %v %s", err, cut([]byte(b)))
			}
			return
		}
		after = answer.Seq
		for _, f := range answer.Frames {
			hear(t, f)
		}
	}
}

func (p *pollPage) beat(ctx context.Context) (string, error) {
	p.id++
	b, err := p.post(ctx, fmt.Sprintf("%s/beat?type=beat&id=%d", p.url, p.id), goodForm())
	var tick struct{ Body string }
	if err = errors.Join(err, json.Unmarshal([]byte(b), &tick)); err != nil {
		return b, err
	}
	return tick.Body, nil
}

func (p *pollPage) close() {
	p.stop()
	<-p.polling
	_, _ = p.post(context.Background(), p.url+"/beat", `{"type":"leave"}`)
	p.poster.close()
}
