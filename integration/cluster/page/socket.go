package page

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// maxFrame is the size of the largest frame that a page reads.
const maxFrame = 4 << 20

// socket is a link over a WebSocket.
type socket struct {
	*end
	ctx     context.Context
	cancel  context.CancelFunc
	client  *http.Client
	header  http.Header
	onFrame func(*frame)
	tally   *Tally
	conn    *websocket.Conn

	mu      sync.Mutex // guards the following fields
	lastID  int64
	waiting map[int64]chan *frame
	over    bool
}

func newSocket(ctx context.Context, client *http.Client, header http.Header, tally *Tally, onFrame func(*frame)) *socket {
	s := &socket{end: newEnd(), client: client, header: header, onFrame: onFrame, tally: tally, waiting: make(map[int64]chan *frame)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

func (s *socket) open(h hello) *ending {
	conn, _, err := websocket.Dial(s.ctx, "ws://public/heartbeat/socket", &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: s.header, Subprotocols: []string{"heartbeat.v1"}})
	if err != nil {
		return lost("dial: ", err)
	}
	conn.SetReadLimit(maxFrame)
	if !s.use(conn) {
		_ = conn.CloseNow()
		return lost("it took too long")
	}
	h.Type = "hello"
	if !s.write(h) {
		return lost("the hello cannot be written")
	}
	for {
		f, why := s.read()
		switch {
		case why != nil:
			return why
		case f == nil:
		case f.Type == "welcome":
			s.onFrame(f)
			go s.receive()
			return nil
		case f.Type == "bye":
			return asEnding(f)
		}
	}
}

// read returns the next frame, nil for one that pages do not read.
func (s *socket) read() (*frame, *ending) {
	_, b, err := s.conn.Read(s.ctx)
	if err == nil {
		return readFrame(b), nil
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return nil, &ending{code: int(closed.Code)}
	}
	return nil, lost("read: ", err)
}

func (s *socket) receive() {
	for {
		f, why := s.read()
		if f != nil && f.Type == "bye" {
			why = asEnding(f)
		}
		if why != nil {
			s.finish(why)
			return
		}
		if f == nil {
			continue
		}
		if f.Type == "tick" || f.Type == "decline" {
			s.answer(f)
			continue
		}
		s.onFrame(f)
	}
}

func (s *socket) answer(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.waiting[f.ID]
	delete(s.waiting, f.ID)
	switch {
	case wait != nil:
		wait <- f
	case !s.over:
		s.tally.unasked.Add(1)
	}
}

// use takes the connection, unless the link is over: it took too long to open.
func (s *socket) use(conn *websocket.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	return !s.over
}

// finish ends the link. Beats that wait get nil.
func (s *socket) finish(why *ending) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over, s.cause = true, why
	for _, wait := range s.waiting {
		wait <- nil
	}
	s.waiting = nil
	conn := s.conn
	s.mu.Unlock()
	close(s.done)
	s.cancel()
	if conn != nil {
		_ = conn.CloseNow()
	}
}

func (s *socket) write(v any) bool {
	b, err := json.Marshal(v)
	return err == nil && s.conn.Write(s.ctx, websocket.MessageText, b) == nil
}

func (s *socket) beat(body string) <-chan *frame {
	wait := make(chan *frame, 1)
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		wait <- nil
		return wait
	}
	s.lastID++
	id := s.lastID
	s.waiting[id] = wait
	s.mu.Unlock()
	if !s.write(map[string]any{"type": "beat", "id": id, "body": body}) {
		s.finish(lost("the beat cannot be written"))
	}
	return wait
}

func (s *socket) send(kind, text string) bool {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	return !over && s.write(fields(kind, text))
}

func (s *socket) close() { s.finish(lost("the page has closed it")) }
