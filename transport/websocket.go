package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// WebSocket is the WebSocket transport. It is an http.Handler.
type WebSocket struct {
	Server Server
	// CheckOrigin reports whether a page of the request's Origin may connect. If it is nil,
	// only pages of the request's own host may.
	CheckOrigin func(r *http.Request) bool
	Limits      Limits // may be nil
	// OnRefuse, if it is not nil, is called when a client is refused because of its hello.
	// Server.Open is not called for that client.
	OnRefuse func(r *http.Request, bye *Bye)

	mu     sync.Mutex // guards closed
	closed bool
	conns  sync.WaitGroup

	handlers     handlers
	writers      sharedWriters
	pinger       pinger
	helloTimeout time.Duration // instead of HelloTimeout, in tests
	off          switches
}

// closeWait is how long Close waits for clients to answer that their connection ends.
const closeWait = time.Second

// Close refuses further connections and waits until all connections have ended. The server ends its
// sessions first. After closeWait, Close also ends the connections of clients that do not answer, as
// those that have lost their network.
func (t *WebSocket) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	late := time.AfterFunc(closeWait, t.pinger.closeAll)
	defer late.Stop()
	t.Wait()
}

// Wait waits until all connections have ended.
func (t *WebSocket) Wait() {
	t.conns.Wait()
	t.handlers.running.Wait()
}

// begin counts a connection, unless Close was called.
func (t *WebSocket) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.conns.Add(1)
	}
	return !t.closed
}

// ServeHTTP upgrades the request and reads the hello. Then it returns, which frees the
// request's memory, and a goroutine with a small stack of its own reads the other frames.
func (t *WebSocket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.begin() {
		http.Error(w, errStopping.Reason, http.StatusServiceUnavailable)
		return
	}
	var s *socket
	opened, release := false, func() {}
	defer func() {
		if opened {
			return
		}
		if s != nil {
			t.pinger.remove(s)
			_ = s.net.Close() // also when Open panics
		}
		release()
		t.conns.Done()
	}()
	if t.CheckOrigin != nil && !t.CheckOrigin(r) {
		http.Error(w, OriginRefused, http.StatusForbidden)
		return
	}
	if t.Limits != nil {
		var bye *Bye
		if release, bye = t.Limits.Open(r); bye != nil {
			release = func() {}
			Refuse(w, bye)
			return
		}
	}
	if s = t.accept(w, r); s == nil {
		return
	}
	t.pinger.add(s)
	s.release = release
	if t.Limits != nil {
		s.quota = t.Limits.Quota(r)
	}
	session, err := s.greet(r)
	if err != nil {
		s.reportHello(r, err)
		s.end(err)
		return
	}
	opened = true
	go s.run(session)
}

// accept upgrades a request. If it cannot, it answers the request and returns nil.
func (t *WebSocket) accept(w http.ResponseWriter, r *http.Request) *socket {
	s := &socket{node: t}
	s.writer.shared, s.writer.off = &t.writers, t.off
	s.writer.writing = true // the reader is the writer until the welcome is written
	h := &hijacker{ResponseWriter: w, off: t.off}
	c, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{Subprotocol},
		InsecureSkipVerify: t.CheckOrigin != nil, // it has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
		OnPongReceived:     s.writer.pong,
	})
	if err != nil {
		return nil
	}
	if c.Subprotocol() != Subprotocol {
		_ = c.Close(websocket.StatusPolicyViolation, "the subprotocol is "+Subprotocol)
		return nil
	}
	c.SetReadLimit(-1) // read has its own limit, with a bye
	s.conn, s.net = c, h.conn
	s.writer.conn, s.writer.raw = c, h.raw
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		s.log = server.ErrorLog
	}
	return s
}

// socket is one WebSocket.
type socket struct {
	node   *WebSocket
	conn   *websocket.Conn
	net    net.Conn    // beneath conn
	log    *log.Logger // of the HTTP server; nil: the standard logger
	writer frameWriter
	place  wheelPlace // in the pinger

	quota   *Quota        // of the client, for messages; may be nil
	release func()        // of Limits.Open
	message atomic.Uint32 // counts the begins and the ends of messages: odd while one is read
	late    uint32        // guarded by the pinger: the message that was being read at the last ping
}

// greet reads the hello, opens the session and sends the welcome.
func (s *socket) greet(r *http.Request) (Session, error) {
	timeout := cmp.Or(s.node.helloTimeout, HelloTimeout)
	s.writer.out.SetTransport(NameWebSocket)
	_ = s.net.SetReadDeadline(time.Now().Add(timeout))
	b, err := s.read(MaxHello)
	_ = s.net.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errNoHello
	}
	if err != nil {
		return nil, err
	}
	hello, err := ParseHello(b.bytes)
	s.giveBack(b)
	if err != nil {
		return nil, err
	}
	session, welcome, err := s.node.Server.Open(r, hello, &s.writer.out)
	if err != nil {
		return nil, openError{err}
	}
	welcome.Session, welcome.Alive = rand.Text(), pingInterval
	s.writer.out.Start(s.writer.wake, welcome.Frame())
	s.writer.drain()
	return session, nil
}

// reportHello reports why a client is refused, unless Server.Open has refused it, or the network has
// ended the connection.
func (s *socket) reportHello(r *http.Request, err error) {
	var bye *Bye
	if s.node.OnRefuse != nil && !errors.As(err, new(openError)) && errors.As(err, &bye) {
		s.node.OnRefuse(r, bye)
	}
}

// openError is an error of Server.Open.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

// errNoHello is the end of a client that sends no hello.
var errNoHello = protocolError("no hello within " + HelloTimeout.String())

// IsNoHello reports whether a bye is the end of a client that has sent no hello in time.
func IsNoHello(bye *Bye) bool { return bye == errNoHello }

// run reads frames until the connection ends. As net/http does, it logs a panic and ends
// only this connection.
func (s *socket) run(session Session) {
	defer s.node.conns.Done()
	s.node.handlers.join()
	defer s.node.handlers.leave()
	defer s.release()
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(v)
			s.end(nil)
		}
	}()
	defer s.node.pinger.remove(s)
	err := s.readFrames(session)
	s.end(err)
}

// readFrames returns why the connection ends.
func (s *socket) readFrames(session Session) (err error) {
	defer func() {
		var bye *Bye
		if errors.As(err, &bye) {
			s.writer.out.end(bye)
		}
		session.Detach(&s.writer.out)
	}()
	for {
		b, err := s.read(MaxFrame)
		if err != nil {
			return err
		}
		if err := s.node.handlers.handle(received{s, session, b}); err != nil {
			return err
		}
	}
}

// logPanic logs a panic and the stack of its goroutine.
func (s *socket) logPanic(v any) {
	cmp.Or(s.log, log.Default()).Printf("transport: panic serving %v: %v\n%s", s.net.RemoteAddr(), v, debug.Stack())
}

// handle handles one frame from the client. Meanwhile it is the connection's writer, if
// there is no other: it writes the answer, and what others have added to the outbox.
func (s *socket) handle(session Session, frame []byte) error {
	writer := !s.node.off.reader && s.writer.acquire()
	answer, err := Receive(context.Background(), session, frame)
	if err != nil {
		return err
	}
	if answer != nil {
		s.writer.out.Send(answer)
	}
	if writer {
		s.writer.drain()
	}
	return nil
}

// read returns the next frame, of at most limit bytes, in a buffer for giveBack.
func (s *socket) read(limit int) (*buffer, error) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	s.message.Add(1)
	defer s.message.Add(1)
	b := borrowSmall()
	for err == nil && len(b.bytes) <= limit {
		if len(b.bytes) == cap(b.bytes) && !s.grow(b, limit) {
			s.giveBack(b)
			return nil, errBusy
		}
		n := 0
		n, err = reader.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
	}
	switch {
	case len(b.bytes) > limit:
		err = errTooLarge
	case err == io.EOF && kind == websocket.MessageText:
		return b, nil
	case err == io.EOF:
		err = protocolError("binary frame: frames are JSON text")
	}
	s.giveBack(b)
	return nil, err
}

// grow doubles a buffer, but not far above limit, if the client's quota has the bytes.
func (s *socket) grow(b *buffer, limit int) bool {
	size := min(2*cap(b.bytes), limit+readBuffer)
	if !s.quota.Take(counted(size) - counted(cap(b.bytes))) {
		return false
	}
	b.bytes = append(make([]byte, 0, size), b.bytes...)
	return true
}

// giveBack ends the use of a buffer that read returned.
func (s *socket) giveBack(b *buffer) {
	s.quota.Give(counted(cap(b.bytes)))
	b.giveBackSmall()
}

// isLate reports whether the client was sending the same message at the call before. It is
// called by the pinger.
func (s *socket) isLate() bool {
	message := s.message.Load()
	late := message%2 == 1 && message == s.late
	s.late = message
	return late
}

// end closes the connection. If err is a *Bye, it first sends the bye to the client.
func (s *socket) end(err error) {
	var bye *Bye
	if errors.As(err, &bye) {
		s.writer.close(bye)
	}
	s.writer.end()
}
