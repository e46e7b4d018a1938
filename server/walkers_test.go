package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// walker is a user with one page at a time, over one transport. Its beats name the screens
// 1, 2, 3 and so on.
type walker struct {
	node      *node
	http      *http.Client
	transport string // websocket, longpoll or post
	user      int
	ticket    string
	random    *mathrand.Rand
	stored    *storedKeys // the keys on NATS

	link     connection
	conn     string
	before   string // the conn of the page before
	body     string // the last beat
	screen   int
	editing  bool // the last beat named a post
	beatAt   int64
	here     bool
	awayFor  int // in turns
	outcomes map[string]int
}

// connection is the connection of a page, over one of the transports.
type connection interface {
	beat(id int, body string) (answer string, err error)
	leave() error
	cut() // closes it without a leave
}

const walkersRoom = "postType/post:42"

func newWalker(n *node, client *http.Client, user int, kind string) (*walker, error) {
	nonce := sha256.Sum256([]byte("n"))
	claims := claimsFor(strconv.Itoa(user))
	claims.Name, claims.Can, claims.Rooms = fmt.Sprint("User ", user), []string{"edit_posts"}, []string{walkersRoom}
	claims.Nonce, claims.FreshUntil, claims.Native = hex.EncodeToString(nonce[:]), time.Now().Add(time.Hour).Unix(), nativeHandles
	signed, err := ticket.Sign(demoSite, n.demo.Secret(), claims, time.Now())
	return &walker{
		node: n, http: client, transport: kind, user: user, ticket: signed, outcomes: map[string]int{},
		random: mathrand.New(mathrand.NewPCG(1, uint64(user))),
	}, err
}

// turn does one random step.
func (w *walker) turn(ctx context.Context) error {
	switch dice := w.random.IntN(100); {
	case !w.here && w.awayFor > 0:
		w.awayFor--
		w.outcomes["stays away"]++
		return nil
	case !w.here:
		return w.join(ctx)
	case dice < 65 || w.lingers():
		return w.move()
	case w.transport == "post":
		return w.vanish()
	case dice < 75: // loses the connection and reconnects at once
		w.link.cut()
		w.outcomes["returns"]++
		return w.open(ctx)
	case dice < 82: // follows a link to a new page
		w.link.cut()
		w.outcomes["navigates"]++
		return w.join(ctx)
	case dice < 90:
		return w.vanish()
	default:
		w.here = false
		w.outcomes["leaves"]++
		return w.link.leave()
	}
}

// lingers reports whether the page before this one still has entries: if the new page left
// first, the screen of the old one would be shown again.
func (w *walker) lingers() bool {
	return w.before != "" && (w.stored.has(w.before) || w.node.sessions.find(sessionKey{demoSite, int64(w.user), w.before}) != nil)
}

func (w *walker) join(ctx context.Context) error {
	w.before, w.conn, w.here, w.body = w.conn, rand.Text(), true, ""
	if err := w.open(ctx); err != nil {
		return err
	}
	w.outcomes["joins"]++
	for time.Now().UnixMilli() <= w.beatAt { // the page that was focused last is shown
		runtime.Gosched()
	}
	return w.move()
}

// vanish closes the connection without a leave. The walker comes back within the grace
// period or after it.
func (w *walker) vanish() error {
	w.here, w.awayFor = false, w.random.IntN(3)
	w.outcomes["vanishes"]++
	w.link.cut()
	return nil
}

func (w *walker) move() error {
	w.screen++
	w.editing = w.random.IntN(2) == 0
	w.body = fmt.Sprintf("data[presence-ping][screen]=%d&_nonce=n&action=heartbeat&screen_id=dashboard&has_focus=true", w.screen)
	if w.editing {
		w.body += "&data[presence-editor-ping][post_id]=42"
	}
	w.outcomes["moves"]++
	return w.beat()
}

// beat sends the last beat again.
func (w *walker) beat() error {
	answer, err := w.link.beat(w.screen, w.body)
	w.beatAt = time.Now().UnixMilli()
	if err == nil && !strings.Contains(answer, "presence-online") {
		err = fmt.Errorf("user %d over %s was answered %q", w.user, w.transport, answer)
	}
	return err
}

func (w *walker) open(ctx context.Context) (err error) {
	hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":%q}`, w.ticket, w.conn, w.body)
	switch w.transport {
	case "websocket":
		w.link, err = openSocket(ctx, w.node.url, hello, nil)
	case "longpoll":
		w.link, err = openPoll(ctx, w.http, w.node.url, hello, nil)
	default:
		w.link = &postWire{ctx, w}
	}
	if page := w.node.sessions.find(sessionKey{demoSite, int64(w.user), w.conn}); page != nil {
		page.beats.SetLimit(rate.Inf) // it beats as often as a hundred pages
	}
	return err
}

// storedKeys are the keys on NATS, by connection.
type storedKeys struct {
	mu   sync.Mutex
	keys map[string]map[string]bool // by connection id
}

func (w *storedKeys) update(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	if len(m.Data) == 0 {
		delete(w.keys[conn], m.Subject)
		return
	}
	if w.keys[conn] == nil {
		w.keys[conn] = map[string]bool{}
	}
	w.keys[conn][m.Subject] = true
}

func (w *storedKeys) has(conn string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.keys[conn]) > 0
}

// socketWire is a WebSocket. Frames that do not answer a beat are passed to hear.
type socketWire struct {
	ctx   context.Context
	conn  *websocket.Conn
	ticks chan string
	ended chan struct{}
}

func openSocket(ctx context.Context, url, hello string, hear func([]byte)) (*socketWire, error) {
	c, _, err := websocket.Dial(ctx, url+"/heartbeat/socket", &websocket.DialOptions{Subprotocols: []string{transport.Subprotocol}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(4 << 20)
	w := &socketWire{ctx, c, make(chan string, 1), make(chan struct{})}
	if err := c.Write(ctx, websocket.MessageText, []byte(hello)); err != nil {
		return nil, err
	}
	if _, b, err := c.Read(ctx); err != nil || !strings.Contains(string(b), `"welcome"`) {
		return nil, fmt.Errorf("want a welcome, got %s %w", b, err)
	}
	go func() {
		defer close(w.ended)
		for {
			_, b, err := c.Read(ctx)
			switch {
			case err != nil:
				return
			case strings.HasPrefix(string(b), `{"type":"tick"`) || strings.HasPrefix(string(b), `{"type":"decline"`):
				w.ticks <- string(b)
			case hear != nil:
				hear(b)
			}
		}
	}()
	return w, nil
}

func (w *socketWire) beat(id int, body string) (string, error) {
	err := w.conn.Write(w.ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"beat","id":%d,"body":%q}`, id, body))
	if err != nil {
		return "", err
	}
	select {
	case tick := <-w.ticks:
		return tick, nil
	case <-w.ended:
		return "", errors.New("the socket was closed")
	}
}

func (w *socketWire) leave() error {
	err := w.conn.Write(w.ctx, websocket.MessageText, []byte(`{"type":"leave"}`))
	<-w.ended // the server's bye
	return err
}

func (w *socketWire) cut() {
	_ = w.conn.CloseNow()
	<-w.ended
}

// pollWire is a long-poll session.
type pollWire struct {
	ctx    context.Context
	http   *http.Client
	url    string
	id     string
	cancel func()
	ended  chan struct{}
}

func openPoll(ctx context.Context, client *http.Client, url, hello string, hear func([]byte)) (*pollWire, error) {
	w := &pollWire{ctx: ctx, http: client, url: url + "/heartbeat", ended: make(chan struct{})}
	b, err := w.do(ctx, "POST", "/open", hello)
	var welcome struct{ Session string }
	if err == nil {
		err = json.Unmarshal(b, &welcome)
	}
	if err != nil || welcome.Session == "" {
		return nil, fmt.Errorf("open: %s %w", b, err)
	}
	w.id = welcome.Session
	polling, cancel := context.WithCancel(ctx)
	w.cancel = cancel
	go w.poll(polling, hear)
	return w, nil
}

func (w *pollWire) poll(ctx context.Context, hear func([]byte)) {
	defer close(w.ended)
	for seq := uint64(0); ; {
		b, err := w.do(ctx, "GET", fmt.Sprint("/poll?after=", seq), "")
		var answer struct {
			Seq    uint64
			Frames []json.RawMessage
		}
		if err != nil || json.Unmarshal(b, &answer) != nil {
			return
		}
		seq = answer.Seq
		for _, f := range answer.Frames {
			if hear != nil {
				hear(f)
			}
		}
	}
}

func (w *pollWire) do(ctx context.Context, method, path, body string) ([]byte, error) {
	r, _ := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	if w.id != "" {
		r.Header.Set(transport.SessionHeader, w.id)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s %s", path, answer.Status, b)
	}
	return b, err
}

func (w *pollWire) beat(id int, body string) (string, error) {
	b, err := w.do(w.ctx, "POST", "/beat", fmt.Sprintf(`{"type":"beat","id":%d,"body":%q}`, id, body))
	return string(b), err
}

func (w *pollWire) leave() error {
	_, err := w.do(w.ctx, "POST", "/beat", `{"type":"leave"}`)
	w.cut()
	return err
}

func (w *pollWire) cut() {
	w.cancel()
	<-w.ended
}

// postWire sends beats by POST.
type postWire struct {
	ctx context.Context
	*walker
}

func (w *postWire) beat(_ int, body string) (string, error) {
	r, _ := http.NewRequestWithContext(w.ctx, "POST", w.node.url+"/heartbeat/beat", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set(ticketHeader, w.ticket)
	answer, err := w.http.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

func (w *postWire) leave() error { return nil }
func (w *postWire) cut()         {}
