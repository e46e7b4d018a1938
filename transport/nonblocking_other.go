//go:build !unix

package transport

import (
	"net"
	"syscall"
)

// systemConn returns nil: frameWriter uses the library's own path.
func systemConn(net.Conn) syscall.RawConn { return nil }

func (b *buffer) writeNonblocking(syscall.RawConn) (int, error) { return 0, nil }
