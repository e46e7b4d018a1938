package transport

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// frameWriter writes the frames of an outbox to one WebSocket.
//
// At any time at most one goroutine writes to a connection. It is
//
//   - one of the handlers, while it handles a frame of the client: so a tick is written
//     by the goroutine that made it;
//   - one of the sharedWriters, for frames that others add to the outbox;
//   - a goroutine of the connection's own, only while the socket's buffer is full.
//
// Frames that are added meanwhile are written by the same goroutine, several in one write:
//
//	idle ──wake──→ queued ──a shared writer takes it──→ writing ──nothing left──→ idle
//	idle, queued ──acquire, by a handler──────────────→ writing
//	any ──close, end──→ ended
//
// frameWriter makes the frames itself and writes them to the raw connection without
// blocking, instead of calling coder/websocket's Write, which blocks: a blocked write
// needs a goroutine and a timer for each page. Where there is no raw connection (TLS,
// Windows) it uses the library's own path, with a goroutine for each write. The
// benchmarks in framewriter_bench_test.go show the gain of each optimisation.
type frameWriter struct {
	out    Outbox
	conn   *websocket.Conn
	raw    *rawConn // beneath conn; nil: use conn.Write
	shared *sharedWriters
	off    switches

	awaiting atomic.Bool // a ping was sent and its pong has not come
	running  sync.WaitGroup

	mu      sync.Mutex // guards the following fields
	writing bool       // a goroutine writes
	queued  bool       // for the shared writers
	more    bool       // wake was called since the last next
	pingDue bool
	ended   bool
}

// switches turn off optimisations, for the benchmarks.
type switches struct {
	raw         bool // conn.Write instead
	nonblocking bool // a goroutine for each write instead
	batches     bool // one frame in each write instead
	shared      bool // a goroutine for each page instead
	yield       bool
	reader      bool // a shared writer writes ticks instead
}

// wake makes a goroutine write what is in the outbox. It never blocks.
func (w *frameWriter) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.more = true
	if !w.writing && !w.queued && !w.ended {
		w.queued = true
		w.running.Add(1)
		w.shared.add(w)
	}
}

// ping sends a ping soon.
func (w *frameWriter) ping() {
	w.awaiting.Store(true)
	w.mu.Lock()
	w.pingDue = true
	w.mu.Unlock()
	w.wake()
}

// pong is called by the library when a pong arrives.
func (w *frameWriter) pong(context.Context, []byte) { w.awaiting.Store(false) }

// acquire makes the caller the writer, if there is none. A shared writer that takes the
// queued w later finds nothing left to write.
func (w *frameWriter) acquire() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing || w.ended {
		return false
	}
	w.writing = true
	return true
}

// next reports whether there is something to write, and whether a ping is due. If there is
// nothing, the caller is no longer the writer.
func (w *frameWriter) next() (ping, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.more || w.ended {
		w.writing = false
		return false, false
	}
	ping = w.pingDue
	w.more, w.pingDue = false, false
	return ping, true
}

// drain writes until nothing is left. The caller is the writer. drain never blocks: a write
// that would block continues in a goroutine, which is the writer from then on.
func (w *frameWriter) drain() {
	for {
		ping, ok := w.next()
		if !ok {
			return
		}
		if w.raw == nil {
			w.running.Go(func() {
				if w.writeByLibrary(ping) {
					w.drain()
				}
			})
			return
		}
		b := borrow()
		if ping {
			b.bytes = append(b.bytes, pingFrame, 0)
			b.bytes = append(appendHeader(b.bytes, len(aliveFrame)), aliveFrame...)
		}
		last, left, bye := w.out.fill(b, w.off.batches)
		if left {
			w.wake()
		}
		rest, err := w.raw.send(b)
		if rest != nil {
			w.running.Go(func() {
				if w.sent(b, last, bye, rest()) {
					w.drain()
				}
			})
			return
		}
		if !w.sent(b, last, bye, err) {
			return
		}
	}
}

// sent ends a write, and reports whether the connection continues.
func (w *frameWriter) sent(b *buffer, last uint64, bye *Bye, err error) bool {
	b.giveBack()
	if err != nil {
		_ = w.raw.Close() // wakes the reader, which ends the connection
		return false
	}
	w.out.Ack(last)
	if bye != nil {
		w.running.Go(func() { w.close(bye) })
	}
	return bye == nil
}

// writeByLibrary writes the frames of the outbox with the library, and reports whether the
// connection continues.
func (w *frameWriter) writeByLibrary(ping bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), WriteTimeout)
	defer cancel()
	if ping {
		w.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), WriteTimeout)
			defer cancel()
			_ = w.conn.Ping(ctx) // waits for the pong; without one the pinger closes the connection
		})
	}
	frames, last, bye := w.out.After(0)
	if ping {
		frames = append(frames, []byte(aliveFrame))
	}
	for _, f := range frames {
		if err := w.conn.Write(ctx, websocket.MessageText, f); err != nil {
			_ = w.conn.CloseNow() // wakes the reader, which ends the connection
			return false
		}
	}
	w.out.Ack(last)
	if bye != nil {
		w.running.Go(func() { w.close(bye) })
	}
	return bye == nil
}

// close writes a bye frame and a close frame with its code.
func (w *frameWriter) close(bye *Bye) {
	w.mu.Lock()
	ended := w.ended
	w.ended = true
	w.mu.Unlock()
	if ended {
		return
	}
	w.writeBye(bye.Frame())
	reason := bye.Reason
	if len(reason) > 120 { // a close frame holds 125 bytes, two of them the code
		reason = reason[:120]
	}
	_ = w.conn.Close(websocket.StatusCode(bye.Code), reason)
}

func (w *frameWriter) writeBye(frame []byte) {
	if w.raw == nil {
		ctx, cancel := context.WithTimeout(context.Background(), WriteTimeout)
		defer cancel()
		_ = w.conn.Write(ctx, websocket.MessageText, frame)
		return
	}
	b := borrow()
	b.bytes = append(appendHeader(b.bytes, len(frame)), frame...)
	_, _ = w.raw.Write(b.bytes)
	b.giveBack()
}

// end closes the connection and returns when no goroutine writes to it.
func (w *frameWriter) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	_ = w.conn.CloseNow()
	w.running.Wait()
}
