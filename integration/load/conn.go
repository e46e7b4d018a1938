//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// portsOfAddress is the number of connections from one address of 127.0.0.x, after which the
// next one is used. Linux first takes every second one of its 28,232 ephemeral ports; when these are
// in use, connect takes 1.1 ms instead of 15 µs.
const portsOfAddress = 10_000

// conn is one non-blocking connection.
type conn struct {
	loop *loop
	fd   int
	turn int32

	opened func()
	take   func(b []byte) (used int, err error) // parses the unused bytes that have arrived
	ended  func(err error)                      // nil: the end of the connection fails the workload

	connecting, closed bool
	unread, unsent     []byte
}

// dial opens the nth connection of a workload. opened is called when it is open.
func (l *loop) dial(n int, to netip.AddrPort, c *conn) {
	err := l.connect(n, to, c)
	switch {
	case err == nil:
	case c.ended != nil && c.loop != nil:
		c.end(err)
	default:
		l.fail(fmt.Errorf("connection %d: %w", n, err))
	}
}

func (l *loop) connect(n int, to netip.AddrPort, c *conn) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.loop, c.fd, c.connecting = l, fd, true
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.turn++
	c.turn = l.turn
	l.conns[fd] = c
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if n >= portsOfAddress {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		from := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + n/portsOfAddress)}}
		if err := unix.Bind(fd, &from); err != nil {
			return err
		}
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return c.watch(unix.EPOLL_CTL_ADD, unix.EPOLLOUT)
}

func (c *conn) watch(op int, events uint32) error {
	return unix.EpollCtl(c.loop.epoll, op, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.fd), Pad: c.turn})
}

// ready handles the events of epoll.
func (c *conn) ready(events uint32) {
	var err error
	switch {
	case c.connecting:
		err = c.finishConnect()
	case events&unix.EPOLLOUT != 0:
		err = c.flush()
	}
	if err == nil && !c.closed && events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		err = c.read()
	}
	if err != nil {
		c.end(err)
	}
}

func (c *conn) finishConnect() error {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	c.connecting = false
	if err := c.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
		return err
	}
	c.opened()
	return nil
}

var errHungUp = errors.New("the server closed the connection")

func (c *conn) read() error {
	n, err := unix.Read(c.fd, c.loop.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return errHungUp
	}
	b := c.loop.buf[:n]
	if len(c.unread) > 0 {
		c.unread = append(c.unread, b...)
		b = c.unread
	}
	return c.consume(b)
}

// consume passes on complete messages and keeps an incomplete one.
func (c *conn) consume(b []byte) error {
	for len(b) > 0 && !c.closed {
		used, err := c.take(b)
		if err != nil {
			return err
		}
		if used == 0 {
			break
		}
		b = b[used:]
	}
	if len(b) > maxUnread {
		return fmt.Errorf("%d bytes without a complete message", len(b))
	}
	if len(b) == 0 {
		c.unread = nil // an idle connection needs no buffer
		return nil
	}
	c.unread = append(c.unread[:0], b...)
	return nil
}

// send writes b, and keeps what does not fit into the socket's buffer. b may be reused.
func (c *conn) send(b []byte) {
	if c.closed {
		return
	}
	n := 0
	if len(c.unsent) == 0 {
		var err error
		if n, err = unix.Write(c.fd, b); err != nil {
			n = 0
			if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
				c.end(err)
				return
			}
		}
	}
	if n == len(b) {
		return
	}
	if len(c.unsent)+len(b)-n > maxUnsent {
		c.end(errors.New("the server does not read"))
		return
	}
	c.unsent = append(c.unsent, b[n:]...)
	if err := c.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLOUT); err != nil {
		c.end(err)
	}
}

func (c *conn) flush() error {
	n, err := unix.Write(c.fd, c.unsent)
	if err != nil {
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			return nil
		}
		return err
	}
	c.unsent = c.unsent[n:]
	if len(c.unsent) > 0 {
		return nil
	}
	c.unsent = nil
	return c.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
}

// end closes the connection because of err, and reports it.
func (c *conn) end(err error) {
	if c.closed {
		return
	}
	c.close()
	if c.ended != nil {
		c.ended(err)
		return
	}
	c.loop.fail(err)
}

func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.loop.conns[c.fd] = nil
	_ = unix.Close(c.fd)
	c.unread, c.unsent = nil, nil
}
