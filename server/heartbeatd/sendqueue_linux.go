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

// maxFiles returns how many files the process may open.
func maxFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // the usual limit
	}
	return int(min(limit.Cur, 1<<20))
}

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
