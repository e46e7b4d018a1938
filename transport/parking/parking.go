// Package parking keeps the connections of requests that wait, such as polls and event streams.
//
// For each connection net/http keeps two buffers of 4 KiB, what it has read of the request, and two
// goroutines. That is needed while a request is read, not for the half minute that a poll waits. A Lot
// takes the connection of such a request from net/http. One goroutine waits on it, and reads
// meanwhile, so that it notices the end of the connection. When the request is answered and another
// one arrives, the Lot gives the connection back:
//
//	net/http ── Park hijacks the connection ─────→ a goroutine with a small stack
//	net/http ←── Accept returns the connection ─── the next request begins to arrive
package parking

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// Lot keeps connections whose requests wait. It is a listener: an http.Server must serve it, and until
// then nothing is parked. New makes one.
type Lot struct {
	log    *slog.Logger
	back   chan net.Conn // connections on which another request arrives
	closed chan struct{}
	ctx    context.Context // ends when connections end at once
	end    context.CancelFunc

	mu      sync.Mutex // guards the following fields; only limit.Clients.mu is taken under it, when a connection is closed
	serves  bool       // a server accepts connections
	closing bool
	parked  map[*Conn]bool // true: its request is answered
	running sync.WaitGroup
}

// New returns an empty lot.
func New(log *slog.Logger) *Lot {
	l := &Lot{log: log, back: make(chan net.Conn), closed: make(chan struct{}), parked: make(map[*Conn]bool)}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// Accept implements net.Listener: it returns connections on which another request arrives.
func (l *Lot) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.serves = true
	l.mu.Unlock()
	select {
	case c := <-l.back:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: the server calls it when it stops. Requests that wait are answered
// nevertheless, and their connections end.
func (l *Lot) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return nil
	}
	l.closing = true
	close(l.closed)
	for c, answered := range l.parked {
		if answered {
			_ = c.Close()
		}
	}
	return nil
}

// Addr implements net.Listener.
func (l *Lot) Addr() net.Addr { return &net.UnixAddr{Name: "parking", Net: "unix"} }

// Wait returns when all requests are answered after Close. If ctx ends before, Wait ends their connections.
func (l *Lot) Wait(ctx context.Context) {
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.end()
		for c := range l.parked {
			_ = c.Close()
		}
	})()
	l.running.Wait()
}

// Takes reports whether Park may take the connection of a request: it has no body, and is one of HTTP/1.1.
func (l *Lot) Takes(r *http.Request) bool {
	return l != nil && r.ContentLength == 0 && r.ProtoMajor == 1 && r.ProtoMinor == 1
}

// Park takes the connection of a request from net/http. Then serve answers the request in a goroutine
// of its own, and returns whether the connection can be used again. Park returns false if it cannot
// have the connection. The handler of the request returns afterwards.
func (l *Lot) Park(w http.ResponseWriter, r *http.Request, serve func(*Conn) bool) bool {
	l.mu.Lock()
	open := l.serves && !l.closing
	if open {
		l.running.Add(1)
	}
	l.mu.Unlock()
	if !open {
		return false
	}
	hijacked, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		l.running.Done()
		return false
	}
	c := &Conn{Conn: hijacked, lot: l, ends: r.Close || w.Header().Get("Connection") == "close"}
	if n := buffers.Reader.Buffered(); n > 0 {
		b, _ := buffers.Reader.Peek(n)
		c.early = bytes.Clone(b)
	}
	if before, ok := hijacked.(*returned); ok {
		c.Conn, c.early = before.Conn, append(c.early, before.early...)
	}
	go c.run(serve)
	return true
}

// note adds a connection, or notes that its request is answered. It closes what Close or Wait would have closed.
func (l *Lot) note(c *Conn, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parked[c] = answered
	if l.ctx.Err() != nil || l.closing && answered {
		_ = c.Close()
	}
}

func (l *Lot) remove(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parked, c)
}

// isClosing reports whether connections end with their answers.
func (l *Lot) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}
