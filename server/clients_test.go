package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/internal/apidoc"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// frame is any frame from the server.
type frame struct {
	Type     string           `json:"type"`
	ID       uint64           `json:"id"`
	Status   int              `json:"status"`
	Body     string           `json:"body"`
	Session  string           `json:"session"`
	Resumed  bool             `json:"resumed"`
	MaxBody  int              `json:"max_body"`
	Room     string           `json:"room"`
	Snapshot []map[string]any `json:"snapshot"`
	Joined   []map[string]any `json:"joined"`
	Updated  []map[string]any `json:"updated"`
	Left     []map[string]any `json:"left"`
	Dates    []map[string]any `json:"dates"`
	Total    int              `json:"total"`
	Code     int              `json:"code"`
	Reason   string           `json:"reason"`
	Retry    int              `json:"retry_after_ms"`
	Cursor   string           `json:"cursor"`
	Spread   int              `json:"spread_ms"`
	Paced    bool             `json:"paced"`
	Posts    json.RawMessage  `json:"posts"`
	Data     json.RawMessage  `json:"data"`
	Handles  []string         `json:"handles"`
	Changed  string           `json:"changed"`
}

func (p *page) hello() string { return p.helloWith("") }

// helloWith is hello with the presence handles of the page's last beat.
func (p *page) helloWith(body string) string {
	return fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":%q}`, p.ticket, p.conn, body)
}

// socket is the WebSocket of a page.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	seen []frame // frames that were read while another one was waited for
}

// dial opens a WebSocket, and sends nothing.
func (p *page) dial(t *testing.T, header http.Header) (*socket, *http.Response, error) {
	c, r, err := websocket.Dial(t.Context(), p.node.url+"/heartbeat/socket", &websocket.DialOptions{
		HTTPClient: p.http, HTTPHeader: header, Subprotocols: []string{transport.Subprotocol},
	})
	if err != nil {
		return nil, r, err
	}
	c.SetReadLimit(4 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return &socket{t: t, conn: c}, r, nil
}

// socket opens a WebSocket and sends the hello.
func (p *page) socket(t *testing.T) *socket {
	t.Helper()
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(p.hello())
	if f := s.next("welcome"); f.MaxBody != transport.MaxBody {
		t.Fatalf("the welcome has max_body %d", f.MaxBody)
	}
	return s
}

func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) read() (frame, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	apidoc.Frame(s.t, b)
	var f frame
	return f, json.Unmarshal(b, &f)
}

// next returns the next frame of a type. It keeps frames of other types in seen.
func (s *socket) next(kind string) frame {
	s.t.Helper()
	for {
		f, err := s.read()
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if f.Type == kind {
			return f
		}
		s.seen = append(s.seen, f)
	}
}

// presence returns the next presence frame of a room for which match returns true.
func (s *socket) presence(room string, match func(frame) bool) frame {
	s.t.Helper()
	for i, f := range s.seen {
		if f.Type == "presence" && f.Room == room && match(f) {
			s.seen = slices.Delete(s.seen, i, i+1)
			return f
		}
	}
	for {
		f := s.next("presence")
		if f.Room == room && match(f) {
			return f
		}
		s.seen = append(s.seen, f)
	}
}

func (s *socket) beat(id uint64, body string) frame {
	s.t.Helper()
	s.send(fmt.Sprintf(`{"type":"beat","id":%d,"body":%q}`, id, body))
	for {
		f, err := s.read()
		if err != nil {
			s.t.Fatal(err)
		}
		if f.Type == "tick" || f.Type == "decline" {
			return f
		}
		s.seen = append(s.seen, f)
	}
}

// ended reads until the server closes, and returns the bye and the close code.
func (s *socket) ended() (bye frame, code int) {
	s.t.Helper()
	for {
		f, err := s.read()
		if err != nil {
			return bye, int(websocket.CloseStatus(err))
		}
		if f.Type == "bye" {
			bye = f
		}
	}
}

// poller is a page's long-poll session.
type poller struct {
	t    *testing.T
	page *page
	id   string
}

func (p *page) poller(t *testing.T) *poller {
	t.Helper()
	l := &poller{t: t, page: p}
	status, b := l.do("POST", "/open", p.hello())
	apidoc.Frame(t, b)
	var f frame
	if err := json.Unmarshal(b, &f); err != nil || status != 200 || f.Type != "welcome" || f.Session == "" {
		t.Fatalf("open: %d %s", status, b)
	}
	l.id = f.Session
	return l
}

func (l *poller) do(method, path, body string) (int, []byte) {
	l.t.Helper()
	r, _ := http.NewRequestWithContext(l.t.Context(), method, l.page.node.url+"/heartbeat"+path, strings.NewReader(body))
	if l.id != "" {
		r.Header.Set(transport.SessionHeader, l.id)
	}
	answer, err := l.page.http.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	apidoc.Response(l.t, answer, b)
	return answer.StatusCode, b
}

// poll polls once for the frames after a number.
func (l *poller) poll(after uint64) (status int, seq uint64, frames []frame) {
	l.t.Helper()
	status, b := l.do("GET", fmt.Sprintf("/poll?after=%d", after), "")
	var answer struct {
		Seq    uint64
		Frames []json.RawMessage
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		l.t.Fatalf("poll: %d %s", status, b)
	}
	for _, text := range answer.Frames {
		apidoc.Frame(l.t, text)
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			l.t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return status, answer.Seq, frames
}

func (l *poller) beat(id uint64, body string) frame {
	l.t.Helper()
	status, b := l.do("POST", "/beat", fmt.Sprintf(`{"type":"beat","id":%d,"body":%q}`, id, body))
	var f frame
	if err := json.Unmarshal(b, &f); err != nil || status != 200 {
		l.t.Fatalf("beat: %d %s", status, b)
	}
	apidoc.Frame(l.t, b)
	return f
}

// post posts a beat to heartbeatd with the page's ticket.
func (p *page) post(t *testing.T, body string) *http.Response {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", p.node.url+"/heartbeat/beat", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set(ticketHeader, p.ticket)
	return p.do(t, r)
}

// ajax posts a beat to admin-ajax.php.
func (p *page) ajax(t *testing.T, body string) *http.Response {
	t.Helper()
	return p.do(t, p.ajaxRequest(t, body))
}

func (p *page) ajaxRequest(t *testing.T, body string) *http.Request {
	r, _ := http.NewRequestWithContext(t.Context(), "POST", p.node.url+wordpress.AjaxPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	return r
}

// do sends a request and reads the whole answer.
func (p *page) do(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	answer, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if r.URL.Path != wordpress.AjaxPath { // a hook may answer with anything
		apidoc.Response(t, answer, b)
	}
	answer.Body = io.NopCloser(bytes.NewReader(b))
	return answer
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}
