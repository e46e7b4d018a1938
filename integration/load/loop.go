//go:build linux

package main

import (
	"container/heap"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readSize is the largest number of bytes of one read. A saturated connection has many
	// frames, and fewer system calls leave more time for them.
	readSize = 256 << 10
	// maxUnsent is the largest number of unsent bytes of a connection.
	maxUnsent = 4 << 20
	// maxUnread is the largest size of an incomplete frame or response.
	maxUnread = 8 << 20
)

// loop drives all connections of a workload in one goroutine: 20,000 goroutines would take
// more CPU time than the server under test.
type loop struct {
	epoll  int
	conns  []*conn // by file descriptor
	turn   int32   // tells a descriptor's events from those of its predecessor
	buf    []byte  // for reading
	frame  []byte  // for writing
	events []unix.EpollEvent
	timers timers
	err    error // the first error
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &loop{epoll: fd, buf: make([]byte, readSize), events: make([]unix.EpollEvent, 1024)}, nil
}

// close ends every connection with a reset, so that no port stays in TIME_WAIT.
func (l *loop) close() {
	for _, c := range l.conns {
		if c != nil {
			c.close()
		}
	}
	_ = unix.Close(l.epoll)
}

// fail ends the workload: figures with errors are not valid.
func (l *loop) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

var errLate = errors.New("timed out")

// run drives the connections until done returns true.
func (l *loop) run(limit time.Duration, done func() bool) error {
	end := time.Now().Add(limit)
	for !done() {
		if l.err != nil {
			return l.err
		}
		now := time.Now()
		if now.After(end) {
			return errLate
		}
		l.fire(now)
		if done() {
			break
		}
		if err := l.poll(l.wait(end)); err != nil {
			return err
		}
	}
	return l.err
}

// rest drives the connections for d.
func (l *loop) rest(d time.Duration) error {
	done := false
	l.after(d, func() { done = true })
	return l.run(d+10*time.Second, func() bool { return done })
}

// wait returns the time until the next timer, in whole milliseconds. Below one millisecond
// the loop spins, so that timers are not late.
func (l *loop) wait(end time.Time) int {
	if len(l.timers) > 0 && l.timers[0].at.Before(end) {
		end = l.timers[0].at
	}
	return int(max(0, time.Until(end)) / time.Millisecond)
}

func (l *loop) poll(ms int) error {
	n, err := unix.EpollWait(l.epoll, l.events, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll: %w", err)
	}
	for _, e := range l.events[:max(0, n)] {
		if c := l.conns[e.Fd]; c != nil && c.turn == e.Pad {
			c.ready(e.Events)
		}
	}
	return nil
}

// after calls f after d.
func (l *loop) after(d time.Duration, f func()) {
	heap.Push(&l.timers, timer{time.Now().Add(d), f})
}

func (l *loop) fire(now time.Time) {
	for len(l.timers) > 0 && !l.timers[0].at.After(now) {
		t, _ := heap.Pop(&l.timers).(timer)
		t.f()
	}
}

type timer struct {
	at time.Time
	f  func()
}

// timers is a heap with the earliest timer first.
type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	(*t)[last] = timer{}
	*t = (*t)[:last]
	return x
}
