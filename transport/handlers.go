package transport

import (
	"errors"
	"runtime"
	"sync"
)

// handlers are the goroutines that handle the frames of all WebSockets of a node. The goroutine of
// a connection waits until its frame is handled. If it handled the frame itself, its stack
// would grow with every beat, and the garbage collector would shrink it again while the page is
// quiet. A frame that waits for something else holds up no other: then another handler starts.
type handlers struct {
	running sync.WaitGroup

	mu    sync.Mutex // guards the following fields
	conns int        // the number of connections
	idle  []*handler // at most maxIdle; the last one was used last
}

// maxIdle is the largest number of handlers that wait for a frame.
var maxIdle = 4 * runtime.GOMAXPROCS(0)

// handler is one of these goroutines. Only the connection that has it uses its channels.
type handler struct {
	frames  chan received
	results chan error
}

// received is a frame that a connection has received.
type received struct {
	socket  *socket
	session Session
	frame   *buffer
}

// join counts a connection, until leave.
func (h *handlers) join() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns++
}

// leave ends the idle handlers with the last connection.
func (h *handlers) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns--; h.conns > 0 {
		return
	}
	for _, w := range h.idle {
		close(w.frames)
	}
	h.idle = nil
}

// handle has a frame handled, and returns why the connection ends, if it does.
func (h *handlers) handle(r received) error {
	w := h.take()
	defer h.giveBack(w)
	w.frames <- r
	return <-w.results
}

// take returns an idle handler, or a new one.
func (h *handlers) take() *handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := len(h.idle) - 1; last >= 0 {
		w := h.idle[last]
		h.idle = h.idle[:last]
		return w
	}
	w := &handler{frames: make(chan received), results: make(chan error)}
	h.running.Go(w.run)
	return w
}

// giveBack makes a handler idle, or ends it if enough are.
func (h *handlers) giveBack(w *handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.idle) < maxIdle {
		h.idle = append(h.idle, w)
	} else {
		close(w.frames)
	}
}

func (w *handler) run() {
	for r := range w.frames {
		w.results <- r.use()
	}
}

// errPanicked is the end of a connection of which a frame made the server panic.
var errPanicked = errors.New("the server panicked")

// use handles a frame, and then ends the use of its buffer. As net/http does, it logs a panic, which
// ends only this connection.
func (r received) use() (err error) {
	defer r.socket.giveBack(r.frame)
	defer func() {
		if v := recover(); v != nil {
			r.socket.logPanic(v)
			err = errPanicked
		}
	}()
	return r.socket.handle(r.session, r.frame.bytes)
}
