package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Sizes of what coder/websocket reads and writes through. A beat fits into the
// first; a control frame, and nothing else is written by it, into the second.
const (
	readBuffer  = 512
	writeBuffer = 128
)

// The first bytes of the frames that we know by them.
const (
	textFrame  = 0x81
	closeFrame = 0x88
	pingFrame  = 0x89
)

// wire is the connection beneath a WebSocket. coder/websocket reads from it and
// writes control frames to it, each in one Write. Data frames are ours: all
// that wait go out together, and no write waits where others would wait too.
type wire struct {
	net.Conn
	raw   syscall.RawConn // nil when the connection is not one of the system's
	early []byte          // came with the handshake

	mu      sync.Mutex // held while frames are written
	closing bool       // a close frame was written: nothing may follow it
}

// hijacker takes the connection of a request over, with buffers that become an
// idle page instead of net/http's.
type hijacker struct {
	http.ResponseWriter
	wire *wire
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: conn}
	if n := brw.Reader.Buffered(); n > 0 {
		b, _ := brw.Reader.Peek(n)
		w.early = bytes.Clone(b)
	}
	if c, ok := conn.(syscall.Conn); ok {
		w.raw, _ = c.SyscallConn()
	}
	h.wire = w
	return w, bufio.NewReadWriter(bufio.NewReaderSize(w, readBuffer), bufio.NewWriterSize(w, writeBuffer)), nil
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.early) == 0 {
		return w.Conn.Read(p)
	}
	n := copy(p, w.early)
	if w.early = w.early[n:]; len(w.early) == 0 {
		w.early = nil
	}
	return n, nil
}

// Write writes a whole frame, and waits until the client takes it.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p[0] == closeFrame {
		w.closing = true
	}
	return w.wait(p)
}

// wait writes with the lock held. The deadline is taken back: one that is over
// would be an error of the next write, which has none.
func (w *wire) wait(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	_ = w.SetWriteDeadline(time.Time{})
	return n, err
}

// send writes whole frames as far as that can be done without waiting. When it
// is not all, it returns the function that waits and writes the rest, which
// must be called: nobody else writes meanwhile.
func (w *wire) send(b *buffer) (rest func() error, err error) {
	if !w.mu.TryLock() {
		return func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.finish(b.bytes)
		}, nil
	}
	if w.closing || w.raw == nil {
		return w.unlockAfter(b.bytes), nil
	}
	n, err := b.writeAtOnce(w.raw)
	if err != nil || n == len(b.bytes) {
		w.mu.Unlock()
		return nil, err
	}
	return w.unlockAfter(b.bytes[n:]), nil
}

func (w *wire) unlockAfter(p []byte) func() error {
	return func() error {
		defer w.mu.Unlock()
		return w.finish(p)
	}
}

// finish writes what follows, unless the connection is being closed: then it
// is dropped as if the client had not read on.
func (w *wire) finish(p []byte) error {
	if w.closing {
		return nil
	}
	_, err := w.wait(p)
	return err
}

// appendHeader begins a text frame with n bytes of text.
func appendHeader(dst []byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, textFrame, byte(n))
	case n < 1<<16:
		return append(dst, textFrame, 126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, textFrame, 127), uint64(n))
}
