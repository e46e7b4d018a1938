//go:build !unix

package transport

import "syscall"

// writeAtOnce leaves everything to a write that waits.
func (b *buffer) writeAtOnce(syscall.RawConn) (int, error) { return 0, nil }
