//go:build unix

package transport

import "syscall"

// writeAtOnce writes as much as the connection takes without waiting.
func (b *buffer) writeAtOnce(c syscall.RawConn) (int, error) {
	if b.attempt == nil {
		b.attempt = b.try
	}
	b.written, b.err = 0, nil
	if err := c.Write(b.attempt); err != nil {
		return 0, err
	}
	return b.written, b.err
}

// try never asks to be called again when the socket is ready: that would wait.
func (b *buffer) try(fd uintptr) bool {
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
