package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// WebSocket carries frames over WebSockets.
type WebSocket struct {
	Server Server
	// CheckOrigin says whether a page of the request's Origin may connect.
	CheckOrigin func(r *http.Request) bool

	mu     sync.Mutex // guards closed
	closed bool
	conns  sync.WaitGroup

	writers      writers
	pinger       pinger
	helloTimeout time.Duration // HelloTimeout, where a test has not another
}

// Close takes no more connections, and returns when every connection is gone. The
// sessions end them.
func (t *WebSocket) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.Wait()
}

// Wait returns when every connection is gone.
func (t *WebSocket) Wait() { t.conns.Wait() }

// begin counts a connection, unless the node stops.
func (t *WebSocket) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.conns.Add(1)
	}
	return !t.closed
}

// ServeHTTP sees a page through its hello. Then it returns, so that nothing of
// the request stays, and a goroutine with a stack of its own reads on.
func (t *WebSocket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.begin() {
		http.Error(w, errStopping.Reason, http.StatusServiceUnavailable)
		return
	}
	var s *socket
	stays := false
	defer func() {
		if stays {
			return
		}
		if s != nil {
			_ = s.wire.Close() // also when Open panics
		}
		t.conns.Done()
	}()
	if !t.CheckOrigin(r) {
		http.Error(w, OriginRefused, http.StatusForbidden)
		return
	}
	if s = t.accept(w, r); s == nil {
		return
	}
	session, err := s.greet(r)
	if err != nil {
		s.end(err)
		return
	}
	stays = true
	go s.run(session)
}

// accept takes the connection over. If that cannot be, it says why and returns
// nothing.
func (t *WebSocket) accept(w http.ResponseWriter, r *http.Request) *socket {
	s := &socket{node: t, writing: true} // the reader writes, until the welcome is out
	h := &hijacker{ResponseWriter: w}
	c, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // CheckOrigin did, with the sites' own lists
		CompressionMode:    websocket.CompressionDisabled,
		OnPongReceived:     s.pong,
	})
	if err != nil {
		return nil
	}
	if c.Subprotocol() != Subprotocol {
		_ = c.Close(websocket.StatusPolicyViolation, "the subprotocol is "+Subprotocol)
		return nil
	}
	c.SetReadLimit(-1) // read has a limit of its own, with a bye that says so
	s.conn, s.wire = c, h.wire
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		s.log = server.ErrorLog
	}
	return s
}

// socket is one WebSocket. Who writes to it is told in write.go.
type socket struct {
	node *WebSocket
	conn *websocket.Conn
	wire *wire       // beneath conn
	log  *log.Logger // of the HTTP server; nil for the standard one
	out  Outbox

	pinged     pinged
	unanswered atomic.Bool // a ping

	running sync.WaitGroup // what end waits for

	mu      sync.Mutex // guards the following fields
	writing bool       // there is a writer
	queued  bool       // for the writers
	more    bool       // something came while writing
	pingDue bool
	ended   bool
}

// greet reads the hello, opens the session and says welcome.
func (s *socket) greet(r *http.Request) (Session, error) {
	timeout := cmp.Or(s.node.helloTimeout, HelloTimeout)
	_ = s.wire.SetReadDeadline(time.Now().Add(timeout))
	b, err := s.read()
	_ = s.wire.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, protocolError("no hello within " + timeout.String())
	}
	if err != nil {
		return nil, err
	}
	hello, err := parseHello(b.bytes)
	b.giveBack()
	if err != nil {
		return nil, err
	}
	session, welcome, err := s.node.Server.Open(r, hello, &s.out)
	if err != nil {
		return nil, err
	}
	welcome.Session = rand.Text()
	s.out.start(s.wake, appendWelcome(nil, welcome))
	s.drain()
	return session, nil
}

// run reads frames until the connection ends. As net/http does, it logs a panic
// and gives up no more than the connection.
func (s *socket) run(session Session) {
	defer s.node.conns.Done()
	defer func() {
		if v := recover(); v != nil {
			cmp.Or(s.log, log.Default()).Printf("transport: panic serving %v: %v\n%s", s.wire.RemoteAddr(), v, debug.Stack())
			s.end(nil)
		}
	}()
	s.node.pinger.add(s)
	err := s.readFrames(session)
	s.end(err)
}

// readFrames returns why the connection ends.
func (s *socket) readFrames(session Session) error {
	defer session.Detach(&s.out)
	defer s.node.pinger.remove(s)
	for {
		b, err := s.read()
		if err != nil {
			return err
		}
		err = s.handle(session, b.bytes)
		b.giveBack()
		if err != nil {
			return err
		}
	}
}

// handle takes one frame from the client. What it and others have to say
// meanwhile goes out when it is done.
func (s *socket) handle(session Session, frame []byte) error {
	writer := s.hold()
	answer, err := receive(context.Background(), session, frame)
	if err != nil {
		return err
	}
	if answer != nil {
		s.out.Send(answer)
	}
	if writer {
		s.drain()
	}
	return nil
}

// read returns the next frame, in a buffer to give back.
func (s *socket) read() (*buffer, error) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	b := borrow()
	for err == nil && len(b.bytes) <= maxFrame {
		n := 0
		b.bytes = slices.Grow(b.bytes, readBuffer)
		n, err = reader.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
	}
	switch {
	case len(b.bytes) > maxFrame:
		return nil, errTooLarge
	case err != io.EOF:
		return nil, err
	case kind != websocket.MessageText:
		return nil, protocolError("a binary frame: frames are JSON text")
	}
	return b, nil
}

// end closes the connection for the reason that err is, if it is one to tell.
func (s *socket) end(err error) {
	var bye *Bye
	if errors.As(err, &bye) {
		s.say(bye)
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	_ = s.conn.CloseNow()
	s.running.Wait()
}
