package transport

import (
	"context"
	"runtime"
	"sync"

	"github.com/coder/websocket"
)

// Whoever writes to a socket at a time is its writer: the reader while it has a
// frame in hand, so that a tick goes out from where it was made; one of the
// writers, which the sockets share, for what others add to the outbox; a
// goroutine of its own only for a client that does not take what it is sent.
// What is added meanwhile is written by the writer too, in one go.

// wake sees to it that what is in the outbox gets written. It never waits.
func (s *socket) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more = true
	if !s.writing && !s.queued && !s.ended {
		s.queued = true
		s.running.Add(1)
		s.node.writers.add(s)
	}
}

func (s *socket) ping() {
	s.unanswered.Store(true)
	s.mu.Lock()
	s.pingDue = true
	s.mu.Unlock()
	s.wake()
}

func (s *socket) pong(context.Context, []byte) { s.unanswered.Store(false) }

// hold makes the caller the writer, if there is none. One that is still queued
// for the writers is none: they will find nothing left to do.
func (s *socket) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing || s.ended {
		return false
	}
	s.writing = true
	return true
}

// again borrows a buffer when there is something to write, with the ping that
// may be due in it; if there is not, the caller is no longer the writer.
func (s *socket) again() *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.more || s.ended {
		s.writing = false
		return nil
	}
	s.more = false
	b := borrow()
	if s.pingDue {
		s.pingDue = false
		b.bytes = append(b.bytes, pingFrame, 0)
	}
	return b
}

// drain is what a writer does. It does not wait for the client.
func (s *socket) drain() {
	for {
		b := s.again()
		if b == nil {
			return
		}
		last, left, bye := s.out.fill(b)
		if left {
			s.wake()
		}
		rest, err := s.wire.send(b)
		if rest != nil {
			s.running.Go(func() {
				if s.wrote(b, last, bye, rest()) {
					s.drain()
				}
			})
			return
		}
		if !s.wrote(b, last, bye, err) {
			return
		}
	}
}

// wrote says whether the connection goes on after a write.
func (s *socket) wrote(b *buffer, last uint64, bye *Bye, err error) bool {
	b.giveBack()
	if err != nil {
		_ = s.wire.Close() // wakes the reader, which ends the connection
		return false
	}
	s.out.ack(last)
	if bye != nil {
		s.running.Go(func() { s.say(bye) })
	}
	return bye == nil
}

// say writes the bye frame and closes with its code.
func (s *socket) say(bye *Bye) {
	s.mu.Lock()
	said := s.ended
	s.ended = true
	s.mu.Unlock()
	if said {
		return
	}
	b := borrow()
	text := appendBye(nil, bye)
	b.bytes = append(appendHeader(b.bytes, len(text)), text...)
	_, _ = s.wire.Write(b.bytes)
	b.giveBack()
	reason := bye.Reason
	if len(reason) > 120 { // a close frame holds 125 bytes
		reason = reason[:120]
	}
	_ = s.conn.Close(websocket.StatusCode(bye.Code), reason)
}

// writers write for all sockets of a node. None of their writes waits, so that
// a few of them do, and a push to a thousand pages starts no thousand goroutines.
type writers struct {
	mu      sync.Mutex
	queue   []*socket // each at most once
	next    int       // in queue
	running int
}

var maxWriters = runtime.GOMAXPROCS(0)

// fairTurn is after how many sockets a writer lets others have the processor.
const fairTurn = 32

func (w *writers) add(s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, s)
	if w.running < maxWriters {
		w.running++
		go w.run()
	}
}

func (w *writers) run() {
	t := turns.take()
	defer turns.giveBack(t)
	for n := 1; ; n++ {
		s := w.take()
		if s == nil {
			return
		}
		s.mu.Lock()
		s.queued = false
		s.mu.Unlock()
		if s.hold() {
			s.drain()
		}
		s.running.Done()
		if n%fairTurn == 0 {
			t.give()
		}
	}
}

// take returns the socket that has waited longest; without one, the caller's
// run is over.
func (w *writers) take() *socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == len(w.queue) {
		w.queue, w.next = w.queue[:0], 0
		w.running--
		return nil
	}
	s := w.queue[w.next]
	w.queue[w.next] = nil
	w.next++
	if w.next > len(w.queue)/2 { // so that a queue that is never empty does not grow
		n := copy(w.queue, w.queue[w.next:])
		clear(w.queue[n:])
		w.queue, w.next = w.queue[:n], 0
	}
	return s
}
