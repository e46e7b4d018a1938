package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// parkedServer serves sessions without a network, for tests with a fake clock. Requests that wait are parked.
type parkedServer struct {
	*polls
	t      *testing.T
	conns  chan net.Conn
	parked atomic.Int32 // connections that were
}

// Accept, Close and Addr make it a net.Listener.
func (s *parkedServer) Accept() (net.Conn, error) {
	if c, ok := <-s.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (s *parkedServer) Close() error   { return nil }
func (s *parkedServer) Addr() net.Addr { return &net.UnixAddr{} }

// withParking calls test in a bubble with a fake clock.
func withParking(t *testing.T, test func(s *parkedServer)) {
	synctest.Test(t, func(t *testing.T) {
		s := &parkedServer{polls: newPolls(), t: t, conns: make(chan net.Conn)}
		s.Lot = parking.New(slog.New(slog.DiscardHandler))
		mux := http.NewServeMux()
		mux.Handle("/poll", &LongPoll{s.Sessions})
		mux.Handle("/events", &Events{Sessions: s.Sessions})
		server := &http.Server{Handler: mux, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second, ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateHijacked {
				s.parked.Add(1)
			}
		}}
		var running sync.WaitGroup
		running.Go(func() { _ = server.Serve(s) })
		running.Go(func() { _ = server.Serve(s.Lot) })
		synctest.Wait()
		test(s)
		s.Stop()
		close(s.conns)
		_ = server.Close()
		running.Wait()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		s.Lot.Wait(ended)
		synctest.Wait()
	})
}

// pipe is a client's connection.
type pipe struct {
	net.Conn
	s    *parkedServer
	from *bufio.Reader
}

func (s *parkedServer) dial() *pipe {
	client, server := net.Pipe()
	s.conns <- server
	return &pipe{client, s, bufio.NewReader(client)}
}

func (c *pipe) send(path, id string) {
	c.s.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: example.com\r\n%s: %s\r\n\r\n", path, SessionHeader, id); err != nil {
		c.s.t.Fatal(err)
	}
}

// want reads a response that comes after some time.
func (c *pipe) want(after time.Duration, status int, body string) {
	c.s.t.Helper()
	began := time.Now()
	r, err := http.ReadResponse(c.from, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if took := time.Since(began); err != nil || r.StatusCode != status || string(b) != body || took != after {
		c.s.t.Errorf("%s %q, %v after %v, want %d %q after %v", r.Status, b, err, took, status, body, after)
	}
	if r.Header.Get("Cache-Control") == "" || r.Header.Get("Date") == "" || r.Header.Get("Content-Type") == "" {
		c.s.t.Errorf("the header is %v", r.Header)
	}
}

// wantParked checks how many requests were parked so far.
func (s *parkedServer) wantParked(n int) {
	s.t.Helper()
	if got := int(s.parked.Load()); got != n {
		s.t.Errorf("%d requests were parked, want %d", got, n)
	}
}

// TestParkedPoll checks that a poll is answered as without parking, at the same time, over one connection.
func TestParkedPoll(t *testing.T) {
	withParking(t, func(s *parkedServer) {
		id, c := s.open(), s.dial()
		c.send("/poll?after=0", id)
		c.want(PollWait, 200, `{"seq":0,"frames":[]}`)
		time.AfterFunc(5*time.Second, func() { s.e.out.Send([]byte("1")) })
		c.send("/poll?after=0&id=7", id)
		c.want(5*time.Second, 200, `{"id":7,"seq":1,"frames":[1]}`)
		time.AfterFunc(ParkAfter/2, func() { s.e.out.Send([]byte("2")) })
		c.send("/poll?after=1", id)
		c.want(ParkAfter/2, 200, `{"seq":2,"frames":[2]}`)
		s.wantParked(2) // not the last one
		s.e.out.Offer([]byte("3"), true)
		c.send("/poll?after=2", id)
		c.want(minorInterval, 200, `{"seq":3,"frames":[3]}`)
		time.AfterFunc(5*time.Second, func() { s.e.out.Bye(&Bye{Code: CodeDraining, Reason: "gone"}) })
		c.send("/poll?after=3", id)
		c.want(5*time.Second, 200, `{"seq":4,"frames":[{"type":"bye","code":4001,"reason":"gone"}]}`)
		c.send("/poll?after=4", id)
		c.want(0, 410, ErrGone.Error()+"\n")
		s.wantParked(4)
		if !s.gone() {
			t.Error("the session goes on")
		}
	})
}

// TestParkedPollEnds checks what ends a poll that is parked: another one, and the end of the session.
func TestParkedPollEnds(t *testing.T) {
	withParking(t, func(s *parkedServer) {
		id, first, second := s.open(), s.dial(), s.dial()
		first.send("/poll?after=0", id)
		time.Sleep(3 * time.Second)
		second.send("/poll?after=0", id)
		first.want(0, 200, `{"seq":0,"frames":[]}`)
		time.AfterFunc(2*time.Second, func() { s.e.out.Send([]byte("1")) })
		second.want(2*time.Second, 200, `{"seq":1,"frames":[1]}`)
		time.AfterFunc(2*time.Second, func() { s.find(id).End(nil) })
		second.send("/poll?after=1", id)
		second.want(2*time.Second, 410, ErrGone.Error()+"\n")
		s.wantParked(3)
	})
}

// TestParkedClientLeaves checks that the session of a client ends that has ended its connection.
func TestParkedClientLeaves(t *testing.T) {
	for _, path := range []string{"/poll?after=0", "/events?after=0"} {
		withParking(t, func(s *parkedServer) {
			id, c := s.open(), s.dial()
			c.send(path, id)
			if strings.HasPrefix(path, "/events") {
				_, _ = c.from.ReadString(':')
			}
			time.Sleep(3 * time.Second)
			s.wantParked(1)
			_ = c.Close()
			time.Sleep(lostGap - time.Millisecond)
			if s.gone() {
				t.Errorf("%s: the session has ended at once", path)
			}
			time.Sleep(2 * time.Millisecond)
			if !s.gone() {
				t.Errorf("%s: the session goes on", path)
			}
		})
	}
}

// TestParkedStream checks that a stream that is parked goes on, and that its connection is used again.
func TestParkedStream(t *testing.T) {
	withParking(t, func(s *parkedServer) {
		id, c := s.open(), s.dial()
		began := time.Now()
		time.AfterFunc(5*time.Second, func() {
			s.e.out.Send([]byte("1"))
			s.e.out.Send([]byte("2"))
		})
		c.send("/events?after=0&id=7", id)
		c.want(streamTime, 200, ":7\n\nid:1\ndata:1\n\nid:2\ndata:2\n\n:\n\n:\n\n")
		if took := time.Since(began); took != streamTime {
			t.Errorf("the stream took %v", took)
		}
		time.AfterFunc(5*time.Second, func() { s.e.out.Bye(&Bye{Code: CodeDraining, Reason: "gone"}) })
		c.send("/events?after=2", id)
		c.want(5*time.Second, 200, ":\n\nid:3\ndata:{\"type\":\"bye\",\"code\":4001,\"reason\":\"gone\"}\n\n")
		c.send("/events?after=3", id)
		c.want(0, 410, ErrGone.Error()+"\n")
		id = s.open()
		time.AfterFunc(5*time.Second, func() { s.find(id).End(errLeft) })
		c.send("/events?after=0", id)
		c.want(5*time.Second, 200, ":\n\nid:1\ndata:{\"type\":\"bye\",\"code\":4007,\"reason\":\"left\"}\n\n")
		c.send("/events?after=1", id)
		c.want(0, 410, ErrGone.Error()+"\n")
		s.wantParked(3)
	})
}

// TestParkedStreamAborted checks that a stream that is parked and misses an event is aborted.
func TestParkedStreamAborted(t *testing.T) {
	withParking(t, func(s *parkedServer) {
		id, c := s.open(), s.dial()
		time.AfterFunc(5*time.Second, func() {
			s.e.out.mu.Lock()
			s.e.out.last++
			s.e.out.mu.Unlock()
			s.e.out.Send([]byte("2"))
		})
		c.send("/events?after=0", id)
		r, err := http.ReadResponse(c.from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the body ended with %v", err)
		}
		s.wantParked(1)
	})
}
