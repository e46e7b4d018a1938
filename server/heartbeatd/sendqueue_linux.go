package main

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxUnsent is how many bytes the kernel keeps for a client beyond those that are on
	// their way to it. Without this option it keeps up to 4 MB for a client that does not
	// read.
	maxUnsent = 128 << 10
	// maxUnread is the time after which the kernel drops a connection whose client has not
	// read or acknowledged anything, also if heartbeatd has closed it already.
	maxUnread = 30 * time.Second
)

// limitSendQueue sets the options of a listening socket, which its connections inherit.
func limitSendQueue(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(maxUnread.Milliseconds())),
		)
	})
	return errors.Join(failed, err)
}
