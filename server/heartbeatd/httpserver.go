package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// httpServer is a server with one listener that answers everybody whose connection it has accepted.
// Shutdown closes a connection whose first request arrives after it was called.
type httpServer struct {
	*http.Server
	lot     *parking.Lot  // has connections whose requests wait; may be nil
	ended   chan struct{} // closed when serveOn returns
	leaving atomic.Bool

	mu       sync.Mutex // guards the following; no other lock is taken under it
	listener net.Listener
	stopping bool
	fresh    map[net.Conn]time.Time // connections that have sent no request yet, and since when
}

// leave ends each connection with its next answer, and new ones are still accepted. A load balancer that
// keeps connections then sends no request over one that Shutdown closes at this moment.
func (s *httpServer) leave() { s.leaving.Store(true) }

// ending returns a handler that ends connections when the server leaves.
func (s *httpServer) ending(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() && r.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// changed is called by net/http when the state of a connection has changed.
func (s *httpServer) changed(c net.Conn, now http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now == http.StateNew {
		s.fresh[c] = time.Now()
	} else {
		delete(s.fresh, c)
	}
}

func (s *httpServer) serveOn(l net.Listener) error {
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	defer close(s.ended)
	if s.lot != nil {
		var returned sync.WaitGroup
		defer returned.Wait()
		defer func() { _ = s.lot.Close() }()
		returned.Go(func() { _ = s.Serve(s.lot) })
	}
	err := s.Serve(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// acceptNoMore accepts no more connections, waits for the first requests of those that it has accepted
// less than slowTime ago, and closes those that have sent none. A connection ends with its next answer.
func (s *httpServer) acceptNoMore(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		_ = l.Close()
		<-s.ended
	}
	s.SetKeepAlivesEnabled(false)
	for ; ctx.Err() == nil && s.waits(); time.Sleep(time.Millisecond) {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.fresh {
		_ = c.Close() // Shutdown would wait for it
	}
}

// finish is Shutdown that also waits for the requests whose connections the lot has.
func (s *httpServer) finish(ctx context.Context) error {
	err := s.Shutdown(ctx)
	if s.lot != nil {
		s.lot.Wait(ctx)
	}
	return err
}

// waits reports whether a connection that has sent no request yet may send one.
func (s *httpServer) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, since := range s.fresh {
		if time.Since(since) < slowTime {
			return true
		}
	}
	return false
}
