//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// response is an answer of an HTTP/1.1 server. Its bytes are valid until the callback that
// receives it returns.
type response struct {
	status int
	head   []byte
	body   []byte
}

// header returns the value of a header, or "".
func (r response) header(name string) string {
	for line := range bytes.Lines(r.head) {
		field, value, _ := bytes.Cut(line, []byte(":"))
		if strings.EqualFold(string(field), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// takeResponse parses a response. used is 0 if it is incomplete.
func takeResponse(b []byte) (r response, used int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return r, 0, nil
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) || end < 12 {
		return r, 0, errors.New("not an HTTP/1.1 response")
	}
	if r.status, err = strconv.Atoi(string(b[9:12])); err != nil {
		return r, 0, fmt.Errorf("a response without a status: %w", err)
	}
	r.head = b[:end+2]
	from := end + 4
	if r.status == 101 || r.status == 204 || r.status == 304 {
		return r, from, nil
	}
	if length := r.header("Content-Length"); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > maxUnread {
			return r, 0, fmt.Errorf("a response of %q bytes", length)
		}
		if len(b) < from+n {
			return r, 0, nil
		}
		r.body = b[from : from+n]
		return r, from + n, nil
	}
	if !strings.EqualFold(r.header("Transfer-Encoding"), "chunked") {
		return r, 0, errors.New("a response without a length")
	}
	body, n, err := takeChunks(b[from:])
	if err != nil || n == 0 {
		return r, 0, err
	}
	r.body = body
	return r, from + n, nil
}

// takeChunks parses a chunked body. used is 0 if it is incomplete.
func takeChunks(b []byte) (body []byte, used int, err error) {
	for {
		line, _, found := bytes.Cut(b[used:], []byte("\r\n"))
		if !found {
			return nil, 0, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return nil, 0, fmt.Errorf("a chunk without a size: %w", err)
		}
		from := used + len(line) + 2
		used = from + int(size) + 2
		if used > len(b) {
			return nil, 0, nil
		}
		if string(b[used-2:used]) != "\r\n" {
			return nil, 0, errors.New("a chunk that is longer than its size")
		}
		if size == 0 {
			return body, used, nil
		}
		body = append(body, b[from:used-2]...)
	}
}

// caller is a connection that sends one request after another.
type caller struct {
	conn
	opened func()
	answer func(r response) // handles the response to the current request; nil: there is none
}

// openCaller opens the nth connection of a workload for requests.
func (l *loop) openCaller(n int, to netip.AddrPort, c *caller) {
	c.conn.opened = func() { c.opened() }
	c.take = func(b []byte) (int, error) {
		if c.answer == nil {
			return 0, errors.New("a response without a request")
		}
		r, used, err := takeResponse(b)
		if err != nil || used == 0 {
			return 0, err
		}
		answer := c.answer
		c.answer = nil
		answer(r)
		return used, nil
	}
	l.dial(n, to, &c.conn)
}

// do sends a request. The last one must have been answered.
func (c *caller) do(request []byte, answer func(r response)) {
	c.answer = answer
	c.send(request)
}

// appendRequest appends a request with a body. header consists of complete lines.
func appendRequest(dst []byte, method, path string, to netip.AddrPort, header, body string) []byte {
	dst = append(dst, method+" "+path+" HTTP/1.1\r\nHost: "...)
	dst = to.AppendTo(dst)
	dst = append(dst, "\r\n"...)
	dst = append(dst, header...)
	if method == "POST" {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}
