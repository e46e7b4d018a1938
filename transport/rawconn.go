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

// Sizes of the buffers that coder/websocket reads and writes through. A beat fits
// into the first. The second holds one control frame: the library writes nothing
// else to a rawConn.
const (
	readBuffer  = 512
	writeBuffer = 128
)

// The first byte of a frame: FIN and the opcode (RFC 6455, section 5.2).
const (
	textFrame  = 0x81
	closeFrame = 0x88
	pingFrame  = 0x89
)

// rawConn is the TCP connection beneath a WebSocket. coder/websocket reads from it
// and writes control frames to it, each in one Write. frameWriter writes the data
// frames with send, which never blocks.
type rawConn struct {
	net.Conn
	sys   syscall.RawConn
	early []byte // frames that arrived together with the handshake

	blocking bool // send writes nothing itself, for the benchmarks

	mu      sync.Mutex // held while frames are written
	closing bool       // a close frame was written: no frame may follow it
}

// hijacker takes over the connection of a request, with smaller buffers than those
// of net/http. An idle page keeps them for as long as it is open.
type hijacker struct {
	http.ResponseWriter
	off  switches
	conn net.Conn
	raw  *rawConn // nil if frameWriter cannot write to the connection itself
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = conn
	sys := systemConn(conn)
	if sys == nil || h.off.raw {
		return conn, brw, nil
	}
	h.raw = &rawConn{Conn: conn, sys: sys, blocking: h.off.nonblocking}
	if n := brw.Reader.Buffered(); n > 0 {
		b, _ := brw.Reader.Peek(n)
		h.raw.early = bytes.Clone(b)
	}
	return h.raw, bufio.NewReadWriter(bufio.NewReaderSize(h.raw, readBuffer), bufio.NewWriterSize(h.raw, writeBuffer)), nil
}

func (c *rawConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// Write writes one whole frame, and may block.
func (c *rawConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p[0] == closeFrame {
		c.closing = true
	}
	return c.writeBlocking(p)
}

// writeBlocking writes with the lock held. It clears the deadline afterwards: a deadline
// that has passed would make the next write fail, which may not set one.
func (c *rawConn) writeBlocking(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	_ = c.SetWriteDeadline(time.Time{})
	return n, err
}

// send writes as much of the frames in b as fits into the socket's buffer. If that is not
// everything, it returns a function that writes the rest and may block. The caller must call
// it: until then no other frame can be written.
func (c *rawConn) send(b *buffer) (rest func() error, err error) {
	if !c.mu.TryLock() {
		return func() error {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.writeRest(b.bytes)
		}, nil
	}
	if c.closing {
		c.mu.Unlock()
		return nil, nil
	}
	n := 0
	if !c.blocking {
		n, err = b.writeNonblocking(c.sys)
	}
	if err != nil || n == len(b.bytes) {
		c.mu.Unlock()
		return nil, err
	}
	return func() error {
		defer c.mu.Unlock()
		return c.writeRest(b.bytes[n:])
	}, nil
}

// writeRest writes p with the lock held. After a close frame it drops p instead.
func (c *rawConn) writeRest(p []byte) error {
	if c.closing {
		return nil
	}
	_, err := c.writeBlocking(p)
	return err
}

// appendHeader appends the header of a text frame with n bytes of payload.
func appendHeader(dst []byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, textFrame, byte(n))
	case n < 1<<16:
		return append(dst, textFrame, 126, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, textFrame, 127), uint64(n))
}
