package transport

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// until polls until ok returns true. what names the condition in the failure.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for: " + what)
		}
	}
}

// countingConn is a connection that records each write.
type countingConn struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }
func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

// written returns the number of bytes written.
func (c *countingConn) written() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(bytes.Join(c.writes, nil))
}

// writerTo returns a frameWriter for a connection whose writes would all block, so that a
// goroutine of the connection's own finishes them.
func writerTo(c net.Conn, shared *sharedWriters) *frameWriter {
	return &frameWriter{shared: shared, raw: &rawConn{Conn: c, sys: fullSocket{}}}
}

// onBothPaths runs a test with the frameWriter's own path and with the library's.
func onBothPaths(t *testing.T, test func(t *testing.T, off switches)) {
	t.Helper()
	t.Run("raw connection", func(t *testing.T) { test(t, switches{}) })
	t.Run("library", func(t *testing.T) { test(t, switches{raw: true}) })
}

// TestTLS checks a TLS connection, which uses the library's own path.
func TestTLS(t *testing.T) {
	e := &echo{detached: make(chan *Outbox, 1)}
	ws := &WebSocket{Server: e, CheckOrigin: func(*http.Request) bool { return true }}
	s := httptest.NewTLSServer(ws)
	defer s.Close()
	c, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: s.Client(), Subprotocols: []string{Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	say(t, c, `{"type":"hello"}`)
	hear(t, c)
	say(t, c, `{"type":"beat","id":7,"body":"a"}`)
	if got := hear(t, c); got != `{"type":"tick","id":7,"status":200,"body":"a"}` {
		t.Error(got)
	}
	e.out.Bye(&Bye{Code: CodeDraining, Reason: "enough"})
	if got := hear(t, c); got != `{"type":"bye","code":4001,"reason":"enough"}` {
		t.Error(got)
	}
	if code, reason := closed(t, c); code != CodeDraining || reason != "enough" {
		t.Errorf("closed with %d %q", code, reason)
	}
	ws.Wait()
}

// TestBatches checks how many writes the frames of an outbox take.
func TestBatches(t *testing.T) {
	for _, c := range []struct {
		name                 string
		frames, size, writes int
	}{
		{"one frame", 1, 10, 1},
		{"small frames", 100, 150, 1},
		{"more than a batch", 100, 1000, 4},
		{"frames larger than a batch", 3, maxBatch + 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &countingConn{}
			w := writerTo(conn, &sharedWriters{})
			w.acquire()
			w.out.Start(w.wake)
			var want []byte
			for i := range c.frames {
				f := bytes.Repeat([]byte{'a' + byte(i%26)}, c.size)
				w.out.Send(f)
				want = append(appendHeader(want, len(f)), f...)
			}
			w.drain()
			w.running.Wait()
			if got := bytes.Join(conn.writes, nil); len(conn.writes) != c.writes || !bytes.Equal(got, want) {
				t.Errorf("%d writes of %d bytes, want %d of %d", len(conn.writes), len(got), c.writes, len(want))
			}
			if w.writing || w.out.bytes != 0 {
				t.Errorf("writing %v, %d bytes left", w.writing, w.out.bytes)
			}
		})
	}
}

// TestReaderWritesQueuedPage checks that the reader writes for a page that waits in the
// queue, and that the shared writer then has nothing to write.
func TestReaderWritesQueuedPage(t *testing.T) {
	node := &WebSocket{}
	node.writers.running = maxWriters // no goroutine starts
	conn := &countingConn{}
	s := &socket{node: node}
	s.writer.shared, s.writer.raw = &node.writers, &rawConn{Conn: conn, sys: fullSocket{}}
	w := &s.writer
	w.out.Start(w.wake)
	w.out.Send([]byte("push"))
	if len(node.writers.queue) != 1 {
		t.Fatalf("%d are queued", len(node.writers.queue))
	}
	if err := s.handle(&echo{}, []byte(`{"type":"beat","id":7,"body":"a"}`)); err != nil {
		t.Fatal(err)
	}
	until(t, "the push and the tick", func() bool { return conn.written() > len("push")+len(`{"type":"tick"`) })
	before := conn.written()
	node.writers.run()
	w.running.Wait()
	if w.writing || w.queued || conn.written() != before {
		t.Errorf("writing %v, queued %v, %d bytes more", w.writing, w.queued, conn.written()-before)
	}
}

// TestSharedWritersQueue checks that the queue keeps its order, and that it does not grow
// while it is never empty.
func TestSharedWritersQueue(t *testing.T) {
	q := &sharedWriters{running: maxWriters} // no goroutine starts
	all := make([]*frameWriter, 10)
	for i := range all {
		all[i] = &frameWriter{}
		q.add(all[i])
	}
	for i := range 10000 {
		w := q.take()
		if w != all[i%len(all)] {
			t.Fatalf("take %d does not return the page that has waited longest", i)
		}
		q.add(w)
	}
	if cap(q.queue) > 4*len(all) {
		t.Errorf("the queue has the capacity %d for %d pages", cap(q.queue), len(all))
	}
	for range all {
		q.take()
	}
	if q.take() != nil || q.running != maxWriters-1 {
		t.Errorf("%d writers run after the last page, want %d", q.running, maxWriters-1)
	}
}

// pages is a Server that records the outboxes of its sessions.
type pages struct {
	echo
	mu   sync.Mutex
	outs []*Outbox
}

func (p *pages) Open(_ *http.Request, _ Hello, out *Outbox) (Session, Welcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outs = append(p.outs, out)
	out.Send([]byte(`{"type":"first"}`))
	return p, Welcome{}, nil
}

// TestBlockedClient writes to a page while other clients do not read.
func TestBlockedClient(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		p := &pages{echo: echo{detached: make(chan *Outbox, 100)}}
		url := serve(t, &WebSocket{off: off, Server: p})
		large := []byte(`{"data":"` + strings.Repeat("x", 1<<20) + `"}`)
		for range maxWriters + 2 {
			welcomed(t, url)
			blocked := p.outs[len(p.outs)-1]
			until(t, "the end of a page that does not read", func() bool {
				blocked.Send(large)
				_, _, bye := blocked.After(0)
				return bye != nil
			})
		}
		c := welcomed(t, url)
		if got := hear(t, c); got != `{"type":"first"}` {
			t.Errorf("after the welcome: %s", got)
		}
		for i := range 1000 {
			frame := fmt.Sprintf(`{"n":%d}`, i)
			p.outs[len(p.outs)-1].Send([]byte(frame))
			if got := hear(t, c); got != frame {
				t.Fatalf("%s, want %s", got, frame)
			}
		}
	})
}

// TestManyWriters adds frames from several goroutines while the page beats, and checks that
// each frame arrives once.
func TestManyWriters(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		p := &pages{echo: echo{detached: make(chan *Outbox, 1)}}
		c := welcomed(t, serve(t, &WebSocket{off: off, Server: p}))
		const goroutines, each = 4, 500
		for g := range goroutines {
			go func() {
				for n := range each {
					p.outs[0].Send(fmt.Appendf(nil, `{"goroutine":%d,"n":%d}`, g, n))
				}
			}()
		}
		go func() {
			for n := range each {
				_ = c.Write(t.Context(), 1, fmt.Appendf(nil, `{"type":"beat","id":%d,"body":""}`, n+1))
			}
		}()
		var next [goroutines]int
		ticks := 0
		for range goroutines*each + each + 1 {
			got := hear(t, c)
			var g, n int
			if _, err := fmt.Sscanf(got, `{"goroutine":%d,"n":%d}`, &g, &n); err == nil {
				if n != next[g] {
					t.Fatalf("goroutine %d: frame %d, want %d", g, n, next[g])
				}
				next[g]++
			} else if strings.HasPrefix(got, `{"type":"tick"`) {
				ticks++
			}
		}
		if ticks != each {
			t.Errorf("%d ticks, want %d", ticks, each)
		}
	})
}

// TestPings checks that a client that answers pings stays connected, and that one that does
// not is disconnected.
func TestPings(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		e := &echo{detached: make(chan *Outbox, 2)}
		ws := &WebSocket{off: off, Server: e}
		url := serve(t, ws)
		welcomed(t, url) // does not read on, and so answers no ping
		answering := welcomed(t, url)
		alive := make(chan string, 10)
		go func() {
			for {
				_, frame, err := answering.Read(context.Background())
				if err != nil {
					return
				}
				alive <- string(frame)
			}
		}()
		sockets := func(awaiting bool) (n int) {
			ws.pinger.mu.Lock()
			defer ws.pinger.mu.Unlock()
			for _, slot := range ws.pinger.slots {
				for _, s := range slot {
					if s.writer.awaiting.Load() == awaiting {
						n++
					}
				}
			}
			return n
		}
		until(t, "both sockets on the wheel", func() bool { return sockets(false) == 2 })
		for range pingSlots {
			ws.pinger.advance()
		}
		until(t, "the pong of one client", func() bool { return sockets(false) == 1 && sockets(true) == 1 })
		if got := <-alive; got != aliveFrame {
			t.Errorf("with the ping came %s", got)
		}
		for range pongSlots - 10 {
			ws.pinger.advance()
		}
		if len(e.detached) != 0 {
			t.Error("the silent client was disconnected too early")
		}
		for range 10 {
			ws.pinger.advance()
		}
		until(t, "the end of the silent client", func() bool { return sockets(true) == 0 && len(e.detached) == 1 })
		if sockets(false) != 1 {
			t.Error("the other client was disconnected too")
		}
	})
}

// TestAliveCostsNoWrite checks that a ping and the frame that a script can see are one write.
func TestAliveCostsNoWrite(t *testing.T) {
	c := &countingConn{}
	w := writerTo(c, &sharedWriters{})
	w.ping()
	want := "\x89\x00\x81\x10" + aliveFrame
	until(t, "the ping", func() bool { return c.written() >= len(want) })
	w.running.Wait()
	if len(c.writes) != 1 || string(c.writes[0]) != want {
		t.Errorf("%d writes: %q", len(c.writes), c.writes)
	}
}

// TestPingerStops checks that the timer stops when there is no socket.
func TestPingerStops(t *testing.T) {
	p := &pinger{}
	all := make([]*socket, 10)
	for i := range all {
		all[i] = &socket{}
		p.add(all[i])
	}
	for _, i := range []int{3, 9, 0, 5, 1, 2, 4, 6, 7, 8} {
		p.remove(all[i])
	}
	if p.count != 0 || p.timer.Stop() {
		t.Errorf("%d sockets are left, or the timer runs", p.count)
	}
}

// TestHandlerReturns checks that the handler returns when the session is open, and that
// Wait waits for the connection.
func TestHandlerReturns(t *testing.T) {
	ws := &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}, CheckOrigin: func(*http.Request) bool { return true }}
	returned := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws.ServeHTTP(w, r)
		close(returned)
	}))
	defer s.Close()
	c := welcomed(t, s.URL)
	<-returned
	waited := make(chan struct{})
	go func() {
		ws.Wait()
		close(waited)
	}()
	say(t, c, `{"type":"beat","id":1,"body":"a"}`)
	hear(t, c)
	select {
	case <-waited:
		t.Error("Wait returned before the end of the connection")
	default:
	}
	_ = c.CloseNow()
	<-waited
}

// panicking is a Server whose sessions panic on a beat.
type panicking struct{ echo }

func (p *panicking) Open(*http.Request, Hello, *Outbox) (Session, Welcome, error) {
	return p, Welcome{}, nil
}
func (p *panicking) Beat(context.Context, Beat) Tick { panic("too much") }

// TestPanic checks that a panic ends one connection and is logged.
func TestPanic(t *testing.T) {
	p := &panicking{echo{detached: make(chan *Outbox, 1)}}
	ws := &WebSocket{Server: p, CheckOrigin: func(*http.Request) bool { return true }}
	var logged bytes.Buffer
	s := httptest.NewUnstartedServer(ws)
	s.Config.ErrorLog = log.New(&logged, "", 0)
	s.Start()
	defer s.Close()
	c := welcomed(t, s.URL)
	say(t, c, `{"type":"beat","id":1,"body":"a"}`)
	ws.Wait()
	if _, _, err := c.Read(t.Context()); err == nil || len(p.detached) != 1 || !strings.Contains(logged.String(), "too much") {
		t.Errorf("%v, detached %d, logged %q", err, len(p.detached), logged.String())
	}
}
