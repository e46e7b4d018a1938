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

// until polls a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// countingConn is a connection that takes everything and keeps the writes apart.
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

// writerTo returns a frameWriter for a connection whose writes are all finished by a
// goroutine of its own.
func writerTo(c net.Conn, shared *sharedWriters) *frameWriter {
	return &frameWriter{shared: shared, raw: &rawConn{Conn: c, sys: fullSocket{}}}
}

// onBothPaths runs a test with the frameWriter's own path and with the library's.
func onBothPaths(t *testing.T, test func(t *testing.T, off switches)) {
	t.Helper()
	t.Run("raw connection", func(t *testing.T) { test(t, switches{}) })
	t.Run("library", func(t *testing.T) { test(t, switches{raw: true}) })
}

// TestTLS uses the library's path on a connection that encrypts.
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

// TestBatches writes all frames that wait in one write, and many bytes in a few.
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

// TestReaderPassesTheQueue has the reader write for a page that waits for a shared
// writer, which then has nothing to do.
func TestReaderPassesTheQueue(t *testing.T) {
	node := &WebSocket{}
	node.writers.running = maxWriters // nobody takes
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
	until(t, "push and tick are written", func() bool { return conn.written() > len("push")+len(`{"type":"tick"`) })
	before := conn.written()
	node.writers.run()
	w.running.Wait()
	if w.writing || w.queued || conn.written() != before {
		t.Errorf("writing %v, queued %v, %d bytes more", w.writing, w.queued, conn.written()-before)
	}
}

// TestSharedWritersQueue takes pages in their order, and does not grow while it is never
// empty.
func TestSharedWritersQueue(t *testing.T) {
	q := &sharedWriters{running: maxWriters} // nobody else takes
	all := make([]*frameWriter, 10)
	for i := range all {
		all[i] = &frameWriter{}
		q.add(all[i])
	}
	for i := range 10000 {
		w := q.take()
		if w != all[i%len(all)] {
			t.Fatalf("take %d is not the one that has waited longest", i)
		}
		q.add(w)
	}
	if cap(q.queue) > 4*len(all) {
		t.Errorf("room for %d, for %d pages", cap(q.queue), len(all))
	}
	for range all {
		q.take()
	}
	if q.take() != nil || q.running != maxWriters-1 {
		t.Errorf("%d run after the last", q.running)
	}
}

// pages is a Server whose sessions keep what they were given.
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

// TestBlockedClient writes to pages while others take nothing.
func TestBlockedClient(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		p := &pages{echo: echo{detached: make(chan *Outbox, 100)}}
		url := serve(t, &WebSocket{off: off, Server: p})
		large := []byte(`{"data":"` + strings.Repeat("x", 1<<20) + `"}`)
		for range maxWriters + 2 {
			welcomed(t, url)
			blocked := p.outs[len(p.outs)-1]
			until(t, "it takes no more", func() bool {
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

// TestManyWriters adds frames from several goroutines while the page beats: each frame
// arrives once.
func TestManyWriters(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		p := &pages{echo: echo{detached: make(chan *Outbox, 1)}}
		c := welcomed(t, serve(t, &WebSocket{off: off, Server: p}))
		const sides, each = 4, 500
		for side := range sides {
			go func() {
				for n := range each {
					p.outs[0].Send(fmt.Appendf(nil, `{"side":%d,"n":%d}`, side, n))
				}
			}()
		}
		go func() {
			for n := range each {
				_ = c.Write(t.Context(), 1, fmt.Appendf(nil, `{"type":"beat","id":%d,"body":""}`, n+1))
			}
		}()
		var next [sides]int
		ticks := 0
		for range sides*each + each + 1 {
			got := hear(t, c)
			var side, n int
			if _, err := fmt.Sscanf(got, `{"side":%d,"n":%d}`, &side, &n); err == nil {
				if n != next[side] {
					t.Fatalf("side %d: %d came, want %d", side, n, next[side])
				}
				next[side]++
			} else if strings.HasPrefix(got, `{"type":"tick"`) {
				ticks++
			}
		}
		if ticks != each {
			t.Errorf("%d ticks, want %d", ticks, each)
		}
	})
}

// TestPings advances the wheel: a client that answers stays, a silent one is closed.
func TestPings(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		e := &echo{detached: make(chan *Outbox, 2)}
		ws := &WebSocket{off: off, Server: e}
		url := serve(t, ws)
		welcomed(t, url) // it reads no more, and so answers no ping
		alive := welcomed(t, url)
		go func() { _, _, _ = alive.Read(context.Background()) }()
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
		until(t, "both are on the wheel", func() bool { return sockets(false) == 2 })
		for range pingSlots {
			ws.pinger.advance()
		}
		until(t, "one answers", func() bool { return sockets(false) == 1 && sockets(true) == 1 })
		for range pongSlots - 10 {
			ws.pinger.advance()
		}
		if len(e.detached) != 0 {
			t.Error("closed too early")
		}
		for range 10 {
			ws.pinger.advance()
		}
		until(t, "the silent one is closed", func() bool { return sockets(true) == 0 && len(e.detached) == 1 })
		if sockets(false) != 1 {
			t.Error("the other one is closed too")
		}
	})
}

// TestPingerStops stops its timer when there is no socket.
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
		t.Errorf("%d are left, or the timer runs", p.count)
	}
}

// TestHandlerReturns has the handler return once the session is open.
func TestHandlerReturns(t *testing.T) {
	ws := &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}, CheckOrigin: func(*http.Request) bool { return true }}
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws.ServeHTTP(w, r)
		close(over)
	}))
	defer s.Close()
	c := welcomed(t, s.URL)
	<-over
	gone := make(chan struct{})
	go func() {
		ws.Wait()
		close(gone)
	}()
	say(t, c, `{"type":"beat","id":1,"body":"a"}`)
	hear(t, c)
	select {
	case <-gone:
		t.Error("Wait did not wait for it")
	default:
	}
	_ = c.CloseNow()
	<-gone
}

// panicking is a Server whose sessions cannot bear a beat.
type panicking struct{ echo }

func (p *panicking) Open(*http.Request, Hello, *Outbox) (Session, Welcome, error) {
	return p, Welcome{}, nil
}
func (p *panicking) Beat(context.Context, Beat) Tick { panic("too much") }

// TestPanic costs one connection, and is logged.
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
