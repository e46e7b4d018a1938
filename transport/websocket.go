package transport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// pingInterval keeps proxies from closing an idle socket (their usual limit is
// a minute) and finds clients that went without a word.
const pingInterval = 25 * time.Second

// WebSocket carries frames over WebSockets.
type WebSocket struct {
	Server Server
	// CheckOrigin says whether a page of the request's Origin may connect.
	CheckOrigin func(r *http.Request) bool

	conns        sync.WaitGroup
	helloTimeout time.Duration // HelloTimeout, where a test has not another
}

// Wait returns when every connection is gone.
func (t *WebSocket) Wait() { t.conns.Wait() }

func (t *WebSocket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.conns.Add(1)
	defer t.conns.Done()
	if !t.CheckOrigin(r) {
		http.Error(w, "this origin is not one of the site's allowed origins", http.StatusForbidden)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: true, // CheckOrigin above did, with the sites' own lists
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // Accept has answered
	}
	if c.Subprotocol() != Subprotocol {
		_ = c.Close(websocket.StatusPolicyViolation, "the subprotocol is "+Subprotocol)
		return
	}
	c.SetReadLimit(-1) // read has a limit of its own, with a bye that says so
	s := &socket{conn: c, out: &Outbox{}, ctx: context.WithoutCancel(r.Context())}
	s.end(s.run(t.Server, r, cmp.Or(t.helloTimeout, HelloTimeout)))
}

// socket is one WebSocket. Its reader is the goroutine of the request; frames
// are written by whoever adds one to the outbox first, so that an idle socket
// costs one goroutine.
type socket struct {
	conn *websocket.Conn
	out  *Outbox
	ctx  context.Context
	buf  bytes.Buffer

	running sync.WaitGroup // what end waits for

	mu      sync.Mutex // guards the following fields
	writing bool
	more    bool // something came while writing
	ended   bool
}

// run reads frames until the connection ends, and says why it did.
func (s *socket) run(server Server, r *http.Request, helloTimeout time.Duration) error {
	late := s.later(helloTimeout, func() {
		s.say(protocolError("no hello within " + helloTimeout.String()))
	})
	b, err := s.read(s.ctx)
	late.Stop()
	if err != nil {
		return err
	}
	hello, err := parseHello(b)
	if err != nil {
		return err
	}
	session, welcome, err := server.Open(r, hello, s.out)
	if err != nil {
		return err
	}
	defer session.Detach(s.out)
	welcome.Session = rand.Text()
	if err := s.write(appendWelcome(nil, welcome)); err != nil {
		return err
	}
	s.out.start(s.wake)
	stop := s.keepAlive()
	defer stop()
	for {
		b, err := s.read(s.ctx)
		if err != nil {
			return err
		}
		answer, err := receive(s.ctx, session, b)
		if err != nil {
			return err
		}
		if answer != nil {
			s.out.Send(answer)
		}
	}
}

// read returns the next frame; its bytes are good until the next read.
func (s *socket) read(ctx context.Context) ([]byte, error) {
	kind, reader, err := s.conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	if s.buf.Cap() > 16<<10 {
		s.buf = bytes.Buffer{} // one large beat must not be held for ever
	}
	s.buf.Reset()
	n, err := io.Copy(&s.buf, io.LimitReader(reader, maxFrame+1))
	if err != nil {
		return nil, err
	}
	if n > maxFrame {
		return nil, errTooLarge
	}
	if kind != websocket.MessageText {
		return nil, protocolError("a binary frame: frames are JSON text")
	}
	return s.buf.Bytes(), nil
}

func (s *socket) write(frame []byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, frame)
}

// wake sees to it that what is in the outbox gets written.
func (s *socket) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more = true
	if !s.writing && !s.ended {
		s.writing = true
		s.running.Go(s.drain)
	}
}

func (s *socket) drain() {
	var taken uint64
	for {
		s.mu.Lock()
		if !s.more || s.ended {
			s.writing = false
			s.mu.Unlock()
			return
		}
		s.more = false
		s.mu.Unlock()

		frames, last, bye := s.out.after(taken)
		for _, f := range frames {
			if err := s.write(f); err != nil {
				_ = s.conn.CloseNow() // wakes the reader, which ends the connection
				return
			}
		}
		taken = last
		s.out.ack(taken)
		if bye != nil {
			s.say(bye)
			return
		}
	}
}

// say writes the bye frame and closes with its code.
func (s *socket) say(b *Bye) {
	s.mu.Lock()
	said := s.ended
	s.ended = true
	s.mu.Unlock()
	if said {
		return
	}
	_ = s.write(appendBye(nil, b))
	reason := b.Reason
	if len(reason) > 120 { // a close frame holds 125 bytes
		reason = reason[:120]
	}
	_ = s.conn.Close(websocket.StatusCode(b.Code), reason)
}

// end closes the connection for the reason that run returned.
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

// later runs f after d, unless the connection has ended by then.
func (s *socket) later(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			s.running.Go(f)
		}
	})
}

// keepAlive pings until stop is called, and closes a socket that is silent.
func (s *socket) keepAlive() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	ping := func() {
		ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
		err := s.conn.Ping(ctx)
		cancel()
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case err != nil:
			_ = s.conn.CloseNow()
		default:
			timer.Reset(pingInterval)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = s.later(pingInterval, ping)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
