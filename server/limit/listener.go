package limit

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Listen returns a listener that closes connections above the limits as soon as
// they are accepted: above most, and above MaxAddressPages of one address.
func (l *Clients) Listen(on net.Listener, most int) net.Listener {
	return &listener{Listener: on, clients: l, most: most}
}

type listener struct {
	net.Listener
	clients *Clients
	most    int

	open int // guarded by Clients.mu
}

// socket is a TCP connection or one of a Unix socket.
type socket interface {
	net.Conn
	syscall.Conn
}

// conn is a connection that counts until it is closed.
type conn struct {
	socket
	once    sync.Once
	release func()
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s, ok := c.(socket)
		if !ok {
			return c, nil
		}
		release, ok := l.count(c.RemoteAddr())
		if ok {
			return &conn{socket: s, release: release}, nil
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // nothing is kept for the connection
		}
		_ = c.Close()
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.socket.Close()
	c.once.Do(c.release)
	return err
}

// count counts a connection, unless there are too many. The address of a web server in
// front has no limit.
func (l *listener) count(peer net.Addr) (release func(), ok bool) {
	all := l.clients
	all.mu.Lock()
	defer all.mu.Unlock()
	if l.open >= l.most {
		all.reached(Connections, netip.Prefix{})
		return nil, false
	}
	var c *client
	var address netip.Prefix
	if from, err := netip.ParseAddrPort(peer.String()); err == nil && !all.isProxy(from.Addr()) {
		if a, known := publicAddress(from.Addr()); known {
			address, c = a, all.get(a)
		}
	}
	if c != nil {
		if c.connections >= all.Max().MaxAddressPages {
			all.reached(Connections, address)
			return nil, false
		}
		c.connections++
	}
	l.open++
	all.open++
	return func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		l.open--
		all.open--
		if c != nil {
			c.connections--
		}
	}, true
}
