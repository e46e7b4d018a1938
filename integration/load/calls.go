//go:build linux

package main

import (
	"net/netip"
	"slices"
)

// calls are a few connections for the requests of many pages, as those of a web server in front.
type calls struct {
	loop    *loop
	to      netip.AddrPort
	first   int // the number of the first connection of the workload
	idle    []*caller
	open    int
	waiting []call
}

// call is a request. answer is called with ok false if the connection was lost.
type call struct {
	request []byte
	answer  func(r response, ok bool)
}

// maxCalls is the largest number of connections.
const maxCalls = 64

// do sends a request as soon as a connection is free. request is not used after do returns.
func (c *calls) do(request []byte, answer func(r response, ok bool)) {
	c.waiting = append(c.waiting, call{append([]byte(nil), request...), answer})
	c.send()
}

// send sends the requests that wait.
func (c *calls) send() {
	for len(c.waiting) > 0 && len(c.idle) > 0 {
		last := len(c.idle) - 1
		from, next := c.idle[last], c.waiting[0]
		c.idle, c.waiting = c.idle[:last], c.waiting[1:]
		from.ended = func(error) {
			c.lost(from)
			next.answer(response{}, false)
		}
		from.do(next.request, func(r response) {
			from.ended = func(error) { c.lost(from) }
			c.idle = append(c.idle, from)
			next.answer(r, true)
			c.send()
		})
	}
	for range min(len(c.waiting), maxCalls-c.open) {
		c.dial()
	}
}

// lost forgets a connection.
func (c *calls) lost(which *caller) {
	c.open--
	c.idle = slices.DeleteFunc(c.idle, func(other *caller) bool { return other == which })
}

// dial opens a connection. If it cannot be opened, the requests that wait are lost.
func (c *calls) dial() {
	c.open++
	fresh := new(caller)
	fresh.opened = func() {
		fresh.ended = func(error) { c.lost(fresh) }
		c.idle = append(c.idle, fresh)
		c.send()
	}
	fresh.ended = func(error) {
		c.lost(fresh)
		waiting := c.waiting
		c.waiting = nil
		for _, next := range waiting {
			next.answer(response{}, false)
		}
	}
	c.loop.openCaller(c.first+c.open, c.to, fresh)
}
