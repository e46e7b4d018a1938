//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/heartbeatd/heartbeatd/transport"
)

const formType = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"

// openSocket opens the page's WebSocket.
func (p *fleetPage) openSocket() {
	s := new(socket)
	s.opened = func() { s.text([]byte(p.who.hello(p.conn, true))) }
	s.onText = p.receive
	s.ended = func(error) { p.lost() }
	p.send = s.text
	p.of.loop.openSocket(p.n, p.of.to, "/heartbeat/socket", transport.Subprotocol, s)
}

// openRequests opens a link of requests, for long-poll or an event stream: the connection of the hello
// is also that of the frames.
func (p *fleetPage) openRequests() {
	c := new(caller)
	c.opened = func() {
		c.do(appendRequest(nil, "POST", "/heartbeat/open", p.of.to, jsonType, p.who.hello(p.conn, true)), func(r response) {
			session, found := member(r.body, `"session":"`)
			if kind(r.body) != "welcome" || !found {
				p.retry = retryAfter(r.body)
				c.end(errHungUp)
				return
			}
			p.header = transport.SessionHeader + ": " + session + "\r\n"
			if p.by == transport.NameEvents {
				(&stream{page: p, conn: &c.conn}).request()
			} else {
				p.poll(c, "0")
			}
			p.welcomed()
		})
	}
	c.ended = func(error) { p.lost() }
	p.send = p.post
	p.of.loop.openCaller(p.n, p.of.to, c)
}

// member returns the text of a member of a JSON object, up to the next quote.
func member(b []byte, name string) (text string, found bool) {
	_, rest, found := bytes.Cut(b, []byte(name))
	value, _, closed := bytes.Cut(rest, []byte(`"`))
	return string(value), found && closed
}

// poll polls until the connection ends.
func (p *fleetPage) poll(c *caller, after string) {
	c.do(appendRequest(nil, "GET", "/heartbeat/poll?after="+after, p.of.to, p.header, ""), func(r response) {
		rest, found := bytes.CutPrefix(r.body, []byte(`{"seq":`))
		seq, frames, _ := bytes.Cut(rest, []byte(`,`))
		if r.status != 200 || !found {
			c.end(errHungUp)
			return
		}
		for range bytes.Count(frames, []byte(`{"type":"push",`)) {
			p.of.onPush()
		}
		if i := bytes.Index(frames, []byte(`{"type":"bye",`)); i >= 0 {
			p.retry = retryAfter(bytes.TrimRight(frames[i:], "]}"))
			c.end(errHungUp)
			return
		}
		p.poll(c, string(seq))
	})
}

// post sends a beat in a request of its own: a frame to a session, or the form of a page without a link.
func (p *fleetPage) post(beat []byte) {
	header := jsonType + p.header
	if p.by == overPost {
		header, beat = p.header, []byte(p.who.body)
	}
	p.of.beats.do(appendRequest(nil, "POST", "/heartbeat/beat", p.of.to, header, string(beat)), func(r response, ok bool) {
		if !p.beatAt.IsZero() { // otherwise the link was lost meanwhile, and PHP has the beat
			p.ticked(ok && r.status == 200 && kind(r.body) != "decline")
		}
	})
}

// stream reads the events of a page, from one response after another.
type stream struct {
	page *fleetPage
	conn *conn
	last uint64 // the id of the last event
	head bool   // the head of the response has arrived
	text []byte // of an event that is incomplete
}

func (s *stream) request() {
	s.head, s.text, s.conn.take = false, nil, s.take
	s.conn.send(appendRequest(nil, "GET", "/heartbeat/events?after="+strconv.FormatUint(s.last, 10), s.page.of.to, s.page.header, ""))
}

// take parses the head of the response, or one chunk.
func (s *stream) take(b []byte) (used int, err error) {
	if !s.head {
		head, _, found := bytes.Cut(b, []byte("\r\n\r\n"))
		if !found {
			return 0, nil
		}
		s.head = true
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
			return 0, fmt.Errorf("no events but %.80s", head)
		}
		return len(head) + 4, nil
	}
	line, _, found := bytes.Cut(b, []byte("\r\n"))
	if !found {
		return 0, nil
	}
	size, err := strconv.ParseUint(string(line), 16, 31)
	if err != nil {
		return 0, errors.New("a chunk without a size")
	}
	used = len(line) + 2 + int(size) + 2
	switch {
	case len(b) < used:
		return 0, nil
	case size == 0:
		s.request()
	default:
		s.events(b[len(line)+2 : used-2])
	}
	return used, nil
}

// events takes a part of the stream.
func (s *stream) events(part []byte) {
	s.text = append(s.text, part...)
	for {
		event, rest, found := bytes.Cut(s.text, []byte("\n\n"))
		if !found {
			break
		}
		if id, data, found := bytes.Cut(event, []byte("\ndata:")); found {
			s.last, _ = strconv.ParseUint(string(bytes.TrimPrefix(id, []byte("id:"))), 10, 64)
			s.page.receive(data)
		}
		s.text = rest
	}
	if len(s.text) == 0 {
		s.text = nil
	}
}
