// Package memtransport is a transport in memory, for tests and measurements with more pages than a
// process may open files.
package memtransport

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/heartbeatd/heartbeatd/transport"
)

// Client is the client's end of a connection. Its methods are called by the goroutine of the
// Network, one after the other, and do not wait.
type Client interface {
	// Frame takes a frame of the server, which must not be changed.
	Frame(frame []byte)
	// Ended is called once, when the connection has ended. why is nil if Close has ended it.
	Ended(why *transport.Bye)
}

// Network carries frames between clients and a server. Close ends it.
type Network struct {
	server transport.Server
	writer sync.WaitGroup // one goroutine at most

	mu      sync.Mutex // guards the following fields; no other lock is taken under it
	woken   []*Conn    // each once
	writing bool
	closed  bool
}

// New returns a network for the clients of a server.
func New(server transport.Server) *Network { return &Network{server: server} }

// Close waits until the frames that are under way have arrived. No others are carried. The server ends its
// sessions first.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.writer.Wait()
}

// Conn is a connection.
type Conn struct {
	network *Network
	session transport.Session
	client  Client
	out     transport.Outbox
	sent    uint64 // the number of the last frame that the client has

	woken  bool // guarded by Network.mu
	closed bool // guarded by Network.mu
	ended  bool
}

// Open opens a connection with the client's hello. r stands for the request of another transport.
// An error is a *transport.Bye.
func (n *Network) Open(r *http.Request, hello []byte, client Client) (*Conn, error) {
	if len(hello) > transport.MaxHello {
		return nil, tooLarge
	}
	h, err := transport.ParseHello(hello)
	if err != nil {
		return nil, err
	}
	c := &Conn{network: n, client: client}
	session, welcome, err := n.server.Open(r, h, &c.out)
	if err != nil {
		return nil, err
	}
	c.session, welcome.Session = session, rand.Text()
	c.out.Start(c.wake, welcome.Frame())
	return c, nil
}

var tooLarge = &transport.Bye{Code: transport.CodeTooLarge, Reason: "a frame is larger than max_body allows: post it"}

// Send passes a frame of the client to the server. It returns when the server has handled it.
func (c *Conn) Send(frame []byte) {
	if len(frame) > transport.MaxFrame {
		c.out.Bye(tooLarge)
		return
	}
	answer, err := transport.Receive(context.Background(), c.session, frame)
	switch {
	case err != nil:
		c.out.Bye(transport.AsBye(err))
	case answer != nil:
		c.out.Send(answer)
	}
}

// Close ends the connection, as the loss of a network does.
func (c *Conn) Close() {
	c.network.mu.Lock()
	c.closed = true
	c.network.mu.Unlock()
	c.wake()
}

// wake has the network write the frames that wait. It does not wait: the server calls it with
// locks held.
func (c *Conn) wake() {
	n := c.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.woken || n.closed {
		return
	}
	c.woken = true
	n.woken = append(n.woken, c)
	if !n.writing {
		n.writing = true
		n.writer.Go(n.write)
	}
}

// write writes for all connections that were woken.
func (n *Network) write() {
	var conns []*Conn
	for {
		clear(conns)
		n.mu.Lock()
		conns, n.woken = n.woken, conns[:0]
		n.writing = len(conns) > 0
		n.mu.Unlock()
		if len(conns) == 0 {
			return
		}
		for _, c := range conns {
			c.write()
		}
	}
}

// write passes the frames that wait to the client, and ends the connection after a bye.
func (c *Conn) write() {
	c.network.mu.Lock()
	c.woken = false
	closed := c.closed
	c.network.mu.Unlock()
	if c.ended {
		return
	}
	if closed {
		c.end(nil)
		return
	}
	frames, last, bye := c.out.After(c.sent)
	for _, f := range frames {
		c.client.Frame(f)
	}
	c.sent = last
	c.out.Ack(last)
	if bye != nil {
		c.client.Frame(bye.Frame())
		c.end(bye)
	}
}

func (c *Conn) end(why *transport.Bye) {
	c.ended = true
	c.session.Detach(&c.out)
	c.client.Ended(why)
}
