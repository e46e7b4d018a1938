package parking

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

const usual = "HTTP/1.1\r\nHost: example.com"

// server is a server with a lot.
type server struct {
	http.Server
	lot  *Lot
	addr string
	log  chan string // of the lot
}

// lines is a writer that sends what is written.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// serve starts a server. The handler of /wait is parked and then calls wait, that of other paths answers at once.
func serve(t *testing.T, wait func(*Conn, http.Header) bool) *server {
	t.Helper()
	s := &server{log: make(lines, 10)}
	s.lot = New(slog.New(slog.NewTextHandler(lines(s.log), nil)))
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Peer", r.RemoteAddr)
		if r.URL.Path == "/wait" && s.lot.Takes(r) && s.lot.Park(w, r, func(c *Conn) bool { return wait(c, header) }) {
			return
		}
		_, _ = io.WriteString(w, "at once")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var running sync.WaitGroup
	for _, l := range []net.Listener{l, s.lot} {
		running.Go(func() { _ = s.Serve(l) })
	}
	for serves := false; !serves; time.Sleep(time.Millisecond) {
		s.lot.mu.Lock()
		serves = s.lot.serves
		s.lot.mu.Unlock()
	}
	t.Cleanup(func() {
		_ = s.Close()
		running.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.lot.Wait(ctx)
	})
	return s
}

// client is a connection to the server.
type client struct {
	net.Conn
	t    *testing.T
	from *bufio.Reader
}

func (s *server) dial(t *testing.T) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{c, t, bufio.NewReader(c)}
}

// send sends a request: rest is what follows its path.
func (c *client) send(path, rest string) {
	c.t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" "+rest+"\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// want reads a response with a body.
func (c *client) want(body string) *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.from, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil || string(b) != body {
		c.t.Fatalf("%q, %v, want %q", b, err, body)
	}
	return r
}

// wantEnd checks that the server closes the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.from); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("%q, %v, want the end of the connection", b, err)
	}
}

// waitFor waits until the channel has a value, or the client is gone.
func waitFor(c *Conn, answer chan string) string {
	for !c.Lost() {
		select {
		case text := <-answer:
			return text
		default:
		}
		if !c.Wait(time.Now().Add(time.Millisecond)) {
			return <-answer
		}
	}
	return ""
}

// TestConnectionIsUsedAgain checks that a connection serves requests that wait and others, in turn, and that
// the responses to both have the same header.
func TestConnectionIsUsedAgain(t *testing.T) {
	answer := make(chan string)
	s := serve(t, func(c *Conn, h http.Header) bool {
		text := waitFor(c, answer)
		return c.Answer(h, func(w http.ResponseWriter) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute))
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if text == "gone" {
				w.WriteHeader(http.StatusGone)
			}
			_, _ = io.WriteString(w, text)
		})
	})
	c := s.dial(t)
	for range 3 {
		c.send("/now", usual)
		now := c.want("at once")
		c.send("/wait", usual)
		answer <- "delayed"
		late := c.want("delayed")
		if _, err := http.ParseTime(late.Header.Get("Date")); err != nil {
			t.Error(err)
		}
		now.Header.Del("Date")
		late.Header.Del("Date")
		now.Body, late.Body = nil, nil
		if !reflect.DeepEqual(now, late) || now.Header.Get("X-Peer") != c.LocalAddr().String() {
			t.Errorf("%+v, at once %+v", late, now)
		}
		c.send("/wait", usual)
		answer <- "gone"
		if r := c.want("gone"); r.StatusCode != http.StatusGone {
			t.Error(r.Status)
		}
	}
	c.send("/wait", usual+"\r\nConnection: close")
	answer <- "last"
	if r := c.want("last"); !r.Close {
		t.Error("the response does not say that the connection ends")
	}
	c.wantEnd()
}

// TestEarlyRequest checks that requests which arrive before earlier ones are answered get their
// answers, in order.
func TestEarlyRequest(t *testing.T) {
	answer := make(chan string)
	s := serve(t, func(c *Conn, h http.Header) bool {
		text := waitFor(c, answer)
		return c.Answer(h, func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) })
	})
	c := s.dial(t)
	c.send("/wait", usual+"\r\n\r\nGET /wait "+usual+"\r\n\r\nGET /now "+usual) // all at once
	answer <- "first"
	c.want("first")
	c.send("/wait", usual)
	answer <- "second"
	c.want("second")
	c.want("at once")
	answer <- "last"
	c.want("last")
}

// TestClientLeaves checks that Wait notices that the client is gone.
func TestClientLeaves(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan bool, 1)
	s := serve(t, func(c *Conn, _ http.Header) bool {
		close(waiting)
		ended <- c.Wait(time.Now().Add(time.Minute)) && c.Lost()
		return false
	})
	c := s.dial(t)
	c.send("/wait", usual)
	<-waiting
	_ = c.Close()
	if !<-ended {
		t.Error("the end of the connection was not noticed")
	}
}

// TestWake checks that Wait returns for a Wake before it and one during it, and at its time.
func TestWake(t *testing.T) {
	conns, woken := make(chan *Conn), make(chan bool)
	s := serve(t, func(c *Conn, h http.Header) bool {
		c.Wake()
		woken <- c.Wait(time.Now().Add(time.Minute)) && !c.Lost()
		conns <- c
		woken <- c.Wait(time.Now().Add(time.Minute)) && !c.Lost()
		woken <- c.Wait(time.Now().Add(time.Millisecond)) && !c.Lost()
		go func() { conns <- c }()
		return c.Answer(h, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "end") })
	})
	c := s.dial(t)
	c.send("/wait", usual)
	if !<-woken {
		t.Error("the first Wait")
	}
	(<-conns).Wake()
	for range 2 {
		if !<-woken {
			t.Error("the connection cannot be used")
		}
	}
	c.want("end")
	(<-conns).Wake() // does not end what net/http reads
	c.send("/now", usual)
	c.want("at once")
}

// TestChunks checks a response whose beginning net/http has written.
func TestChunks(t *testing.T) {
	next := make(chan string)
	s := serve(t, nil)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin ")
		_ = http.NewResponseController(w).Flush()
		if !s.lot.Park(w, r, func(c *Conn) bool {
			for part := range next {
				if part == "" {
					return c.EndChunks()
				}
				if err := c.WriteChunk([]byte(part)); err != nil {
					t.Error(err)
				}
			}
			return false
		}) {
			t.Error("the connection was not parked")
		}
	})
	c := s.dial(t)
	for range 2 {
		c.send("/wait", usual)
		go func() {
			for _, part := range []string{"one ", "%two", ""} {
				next <- part
			}
		}()
		c.want("begin one %two")
	}
	close(next)
	c.send("/wait", usual)
	if r, err := http.ReadResponse(c.from, nil); err != nil {
		t.Error(err)
	} else if _, err := io.ReadAll(r.Body); err != io.ErrUnexpectedEOF {
		t.Errorf("an aborted response ended with %v", err)
	}
}

// TestPanic checks that a panic ends one connection, and is logged.
func TestPanic(t *testing.T) {
	s := serve(t, func(*Conn, http.Header) bool { panic("a mistake") })
	c := s.dial(t)
	c.send("/wait", usual)
	c.wantEnd()
	if line := <-s.log; !strings.Contains(line, "a mistake") {
		t.Errorf("logged %q", line)
	}
}

// TestSlowReader checks that the write deadline of a handler ends a connection whose client does not read.
func TestSlowReader(t *testing.T) {
	used := make(chan bool, 1)
	s := serve(t, func(c *Conn, h http.Header) bool {
		ok := c.Answer(h, func(w http.ResponseWriter) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, _ = w.Write(make([]byte, 64<<20))
		})
		used <- ok
		return ok
	})
	c := s.dial(t)
	c.send("/wait", usual)
	if <-used {
		t.Error("the response was written")
	}
}

// TestOrdinaryRequests checks which requests are not parked.
func TestOrdinaryRequests(t *testing.T) {
	s := serve(t, func(*Conn, http.Header) bool { panic("parked") })
	for _, rest := range []string{"HTTP/1.0\r\nConnection: keep-alive", usual + "\r\nContent-Length: 1\r\n\r\nx", usual + "\r\nTransfer-Encoding: chunked\r\n\r\n0"} {
		c := s.dial(t)
		c.send("/wait", rest)
		c.want("at once")
	}
	if New(nil).Park(nil, nil, nil) {
		t.Error("a lot that no server serves takes a request")
	}
}

// TestShutdown checks that a server that stops answers requests that wait, and ends their
// connections and those that are idle.
func TestShutdown(t *testing.T) {
	answer, waiting := make(chan string), make(chan struct{})
	s := serve(t, func(c *Conn, h http.Header) bool {
		waiting <- struct{}{}
		text := waitFor(c, answer)
		return c.Answer(h, func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) })
	})
	idle, waits, forever := s.dial(t), s.dial(t), s.dial(t)
	idle.send("/wait", usual)
	<-waiting
	answer <- "idle"
	idle.want("idle")
	for _, c := range []*client{waits, forever} {
		c.send("/wait", usual)
		<-waiting
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	idle.wantEnd()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.lot.Wait(ctx)
		close(ended)
	}()
	answer <- "late"
	both := make(chan string, 2)
	for _, c := range []*client{waits, forever} {
		go func() {
			r, err := http.ReadResponse(c.from, nil)
			if err != nil {
				both <- "ended"
				return
			}
			both <- fmt.Sprint(r.Status, r.Close)
		}()
	}
	if got := <-both; got != "200 OKtrue" {
		t.Error(got)
	}
	select {
	case <-ended:
		t.Error("Wait does not wait for a request")
	default:
	}
	cancel()
	<-ended
	if got := <-both; got != "ended" {
		t.Error(got)
	}
}
