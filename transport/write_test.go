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

// counted is a connection that takes everything and counts the writes.
type counted struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (c *counted) SetWriteDeadline(time.Time) error { return nil }
func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

// TestOneWrite writes all that waits at once, and what is much in few pieces.
func TestOneWrite(t *testing.T) {
	for _, c := range []struct{ frames, size, writes int }{{1, 10, 1}, {100, 150, 1}, {100, 1000, 4}, {3, oneWrite + 1, 3}} {
		conn := &counted{}
		s := &socket{node: &WebSocket{}, wire: &wire{Conn: conn}}
		s.hold()
		s.out.start(s.wake)
		var want []byte
		for i := range c.frames {
			f := bytes.Repeat([]byte{'a' + byte(i%26)}, c.size)
			s.out.Send(f)
			want = append(appendHeader(want, len(f)), f...)
		}
		s.drain()
		s.running.Wait()
		if got := bytes.Join(conn.writes, nil); len(conn.writes) != c.writes || !bytes.Equal(got, want) {
			t.Errorf("%d frames of %d bytes: %d writes of %d bytes, want %d of %d", c.frames, c.size, len(conn.writes), len(got), c.writes, len(want))
		}
		if s.writing || s.out.bytes != 0 {
			t.Errorf("%d frames of %d bytes: writing %v, %d bytes left", c.frames, c.size, s.writing, s.out.bytes)
		}
	}
}

// TestTickPassesTheQueue has the reader write for a socket that waits for the
// writers, which then have nothing to do.
func TestTickPassesTheQueue(t *testing.T) {
	node := &WebSocket{}
	node.writers.running = maxWriters // nobody takes
	conn := &counted{}
	s := &socket{node: node, wire: &wire{Conn: conn}}
	s.out.start(s.wake)
	s.out.Send([]byte("news"))
	if len(node.writers.queue) != 1 {
		t.Fatalf("%d are queued", len(node.writers.queue))
	}
	if err := s.handle(&echo{}, []byte(`{"type":"beat","id":7,"body":"a"}`)); err != nil {
		t.Fatal(err)
	}
	written := func() int {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return len(bytes.Join(conn.writes, nil))
	}
	until(t, "news and tick are out", func() bool { return written() > len("news")+len(`{"type":"tick"`) })
	before := written()
	node.writers.run()
	s.running.Wait()
	if s.writing || s.queued || written() != before {
		t.Errorf("writing %v, queued %v, %d bytes more", s.writing, s.queued, written()-before)
	}
}

// TestWritersQueue takes sockets in turn, and does not grow while it is never empty.
func TestWritersQueue(t *testing.T) {
	w := &writers{running: maxWriters} // nobody else takes
	all := make([]*socket, 10)
	for i := range all {
		all[i] = &socket{}
		w.add(all[i])
	}
	for i := range 10000 {
		s := w.take()
		if s != all[i%len(all)] {
			t.Fatalf("take %d is not the one that has waited longest", i)
		}
		w.add(s)
	}
	if cap(w.queue) > 4*len(all) {
		t.Errorf("room for %d, for %d sockets", cap(w.queue), len(all))
	}
	for range all {
		w.take()
	}
	if w.take() != nil || w.running != maxWriters-1 {
		t.Errorf("%d run after the last", w.running)
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

// TestBlockedClient lets pages have their news while others take nothing.
func TestBlockedClient(t *testing.T) {
	p := &pages{echo: echo{detached: make(chan *Outbox, 100)}}
	url := serve(t, &WebSocket{Server: p})
	large := []byte(`{"data":"` + strings.Repeat("x", 1<<20) + `"}`)
	for range maxWriters + 2 {
		welcomed(t, url)
		blocked := p.outs[len(p.outs)-1]
		until(t, "it takes no more", func() bool {
			blocked.Send(large)
			_, _, bye := blocked.after(0)
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
}

// TestManyWriters adds from many sides while the page beats: nothing is lost,
// doubled or left lying.
func TestManyWriters(t *testing.T) {
	p := &pages{echo: echo{detached: make(chan *Outbox, 1)}}
	c := welcomed(t, serve(t, &WebSocket{Server: p}))
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
}

// TestPings turns the wheel: who answers stays, who is silent is closed.
func TestPings(t *testing.T) {
	e := &echo{detached: make(chan *Outbox, 2)}
	ws := &WebSocket{Server: e}
	url := serve(t, ws)
	welcomed(t, url) // it reads no more, and so answers no ping
	alive := welcomed(t, url)
	go func() { _, _, _ = alive.Read(context.Background()) }()
	sockets := func(unanswered bool) (n int) {
		ws.pinger.mu.Lock()
		defer ws.pinger.mu.Unlock()
		for _, slot := range ws.pinger.slots {
			for _, s := range slot {
				if s.unanswered.Load() == unanswered {
					n++
				}
			}
		}
		return n
	}
	until(t, "both are on the wheel", func() bool { return sockets(false) == 2 })
	for range pingSlots {
		ws.pinger.turn()
	}
	until(t, "one answers", func() bool { return sockets(false) == 1 && sockets(true) == 1 })
	for range pongSlots - 10 {
		ws.pinger.turn()
	}
	if len(e.detached) != 0 {
		t.Error("closed too early")
	}
	for range 10 {
		ws.pinger.turn()
	}
	until(t, "the silent one is closed", func() bool { return sockets(true) == 0 && len(e.detached) == 1 })
	if sockets(false) != 1 {
		t.Error("the other one is closed too")
	}
}

// TestPingerRests stops its timer when nobody is there.
func TestPingerRests(t *testing.T) {
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

// TestRequestIsOver has the handler return when the page is there.
func TestRequestIsOver(t *testing.T) {
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
