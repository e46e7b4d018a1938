package transport

import (
	"runtime"
	"sync"
)

// sharedWriters are the goroutines that write for all WebSockets of a node. None of their
// writes blocks, so a few are enough, and a push to a thousand pages does not start a
// thousand goroutines.
type sharedWriters struct {
	mu      sync.Mutex
	queue   []*frameWriter // each at most once
	next    int            // in queue
	running int
}

var maxWriters = runtime.GOMAXPROCS(0)

// yieldAfter is the number of pages after which a shared writer yields.
const yieldAfter = 32

// add queues w, and starts a goroutine if fewer than maxWriters run.
func (s *sharedWriters) add(w *frameWriter) {
	if w.off.shared {
		go w.take()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, w)
	if s.running < maxWriters {
		s.running++
		go s.run()
	}
}

func (s *sharedWriters) run() {
	y := yielders.get()
	defer yielders.put(y)
	for n := 1; ; n++ {
		w := s.take()
		if w == nil {
			return
		}
		w.take()
		if n%yieldAfter == 0 && !w.off.yield {
			y.yield()
		}
	}
}

// take writes for a queued w.
func (w *frameWriter) take() {
	w.mu.Lock()
	w.queued = false
	w.mu.Unlock()
	if w.acquire() {
		w.drain()
	}
	w.running.Done()
}

// take returns the frameWriter that has waited longest, or nil. After nil the caller must
// return.
func (s *sharedWriters) take() *frameWriter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == len(s.queue) {
		s.queue, s.next = s.queue[:0], 0
		s.running--
		return nil
	}
	w := s.queue[s.next]
	s.queue[s.next] = nil
	s.next++
	if s.next > len(s.queue)/2 { // otherwise a queue that is never empty would grow
		n := copy(s.queue, s.queue[s.next:])
		clear(s.queue[n:])
		s.queue, s.next = s.queue[:n], 0
	}
	return w
}
