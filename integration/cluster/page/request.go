package page

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// holdTime is how long heartbeatd holds a poll, unless its welcome says it.
	holdTime = 25 * time.Second
	// requestMargin is how much longer a request may take.
	requestMargin = 10 * time.Second
	// waitingNotes is the number of notes and tickets that wait for the answers to those before.
	waitingNotes = 16
)

// requestIDs numbers the requests of all pages.
var requestIDs atomic.Int64

func init() { requestIDs.Store(rand.Int64N(1 << 40)) }

// session is a link over HTTP requests.
type session struct {
	*end
	ctx     context.Context
	cancel  context.CancelFunc
	world   *World
	header  http.Header
	onFrame func(*frame)
	hold    time.Duration
	id      atomic.Value // a string, once the session is open
	lastID  atomic.Int64
	posts   chan map[string]any // notes and tickets, in order
	receive func(s *session, opened func())
	once    sync.Once
	heard   atomic.Bool   // frames have arrived
	unheard *atomic.Int32 // how many sessions of the page in a row were gone before
}

func newSession(ctx context.Context, p *Page, receive func(*session, func())) *session {
	s := &session{
		end: newEnd(), world: p.world, header: p.header, onFrame: p.receive, hold: holdTime, receive: receive, unheard: &p.unheard,
		posts: make(chan map[string]any, waitingNotes),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// request sends a request and returns its answer.
func (s *session) request(ctx context.Context, method, path string, query url.Values, body any) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.hold+requestMargin)
	defer cancel()
	r, err := s.start(ctx, method, path, query, body)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = r.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(r.Body, maxFrame))
	return r.StatusCode, answer, err
}

// start sends a request, and returns its answer before the body.
func (s *session) start(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	if query == nil {
		query = url.Values{}
	}
	address := "http://public/heartbeat" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	for name, values := range s.header {
		r.Header[name] = values
	}
	if text != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if id, is := s.id.Load().(string); is {
		r.Header.Set("Heartbeat-Session", id)
	}
	return s.world.Client.Do(r)
}

func (s *session) open(h hello) *ending {
	h.Type = "hello"
	status, answer, err := s.request(s.ctx, "POST", "/open", nil, h)
	if err != nil {
		return lost("open: ", err)
	}
	f := readFrame(answer)
	if status != http.StatusOK || f == nil || f.Type != "welcome" {
		return s.refusal(status, answer)
	}
	s.id.Store(f.Session)
	s.onFrame(f)
	if f.PollMS > 0 {
		s.hold = time.Duration(f.PollMS) * time.Millisecond
	}
	opened := make(chan struct{})
	go s.receive(s, sync.OnceFunc(func() { close(opened) }))
	select {
	case <-opened:
	case <-s.done:
		return s.cause
	}
	go s.sendPosts()
	return nil
}

// maxUnheard is how many sessions in a row may be gone before frames have arrived, and maxUnheardLater the same
// after frames of an earlier one. With more, the page takes it that something in between makes the transport fail.
const maxUnheard, maxUnheardLater = 5, 60

// refusal returns what an answer that is not a success says.
func (s *session) refusal(status int, answer []byte) *ending {
	if status == http.StatusGone {
		if !s.heard.Load() && s.unheard.Add(1) >= maxUnheard {
			return &ending{code: codeOther}
		}
		return lost("the session is gone")
	}
	if f := readFrame(answer); f != nil && f.Type == "bye" {
		return asEnding(f)
	}
	if status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests {
		return &ending{code: codeOther}
	}
	return lost("status ", status)
}

// hears is called when frames have arrived.
func (s *session) hears() {
	s.heard.Store(true)
	s.unheard.Store(maxUnheard - maxUnheardLater)
}

func (s *session) finish(why *ending) {
	s.once.Do(func() {
		s.cause = why
		close(s.done)
		s.cancel()
	})
}

func (s *session) isOver() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *session) deliver(f *frame) {
	if f == nil || s.isOver() {
		return
	}
	if f.Type == "bye" {
		s.finish(asEnding(f))
		return
	}
	s.onFrame(f)
}

func (s *session) beat(body string) <-chan *frame {
	wait := make(chan *frame, 1)
	id := s.lastID.Add(1)
	go func() {
		status, answer, err := s.request(s.ctx, "POST", "/beat", nil, map[string]any{"type": "beat", "id": id, "body": body})
		f := readFrame(answer)
		if err == nil && status == http.StatusOK && f != nil && f.ID == id {
			wait <- f
			return
		}
		if err != nil {
			s.finish(lost("beat: ", err))
		} else {
			s.finish(s.refusal(status, answer))
		}
		wait <- nil
	}()
	return wait
}

func (s *session) send(kind, text string) bool {
	if s.isOver() {
		return false
	}
	select {
	case s.posts <- fields(kind, text):
		return true
	default:
		return false
	}
}

func (s *session) sendPosts() {
	for {
		select {
		case <-s.done:
			return
		case f := <-s.posts:
			status, answer, err := s.request(s.ctx, "POST", "/beat", nil, f)
			if err != nil {
				s.finish(lost("note or ticket: ", err))
			} else if status != http.StatusNoContent {
				s.finish(s.refusal(status, answer))
			}
		}
	}
}

// close ends the link, and the session as a page does that is left: it does not wait for the answer.
func (s *session) close() {
	s.finish(lost("the page has closed it"))
	id, is := s.id.Load().(string)
	if !is {
		return
	}
	s.world.beacons.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), requestMargin)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "POST", "http://public/heartbeat/close", strings.NewReader(url.Values{"session": {id}}.Encode()))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if answer, err := s.world.Client.Do(r); err == nil {
			_ = answer.Body.Close()
		}
	})
}
