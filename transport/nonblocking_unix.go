//go:build unix

package transport

import (
	"net"
	"syscall"
)

// systemConn returns the file descriptor of a connection, or nil if it has none, as a TLS
// connection, which must encrypt what is written.
func systemConn(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	sys, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return sys
}

// writeNonblocking writes as much as fits into the socket's buffer.
func (b *buffer) writeNonblocking(c syscall.RawConn) (int, error) {
	if b.try == nil {
		b.try = b.writeOnce
	}
	b.written, b.err = 0, nil
	if err := c.Write(b.try); err != nil {
		return 0, err
	}
	return b.written, b.err
}

// writeOnce is called by the RawConn. It always returns true: false would make the
// RawConn wait until the socket is writable.
func (b *buffer) writeOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), b.bytes)
		switch err {
		case nil:
			b.written = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			b.err = err
		}
		return true
	}
}
