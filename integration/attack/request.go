//go:build linux

package main

import (
	"fmt"
	"strings"
)

// request is an HTTP request whose parts are mutated before it is written.
type request struct {
	method, path, query string
	header              []string // lines
	body                []byte
}

// goodHost is the Host of the site with a WordPress.
const goodHost = "blog.test"

// write writes a request. One of six has a mutated head, and one of twenty mutated bytes.
func (c *client) write(r request) []byte {
	if c.chance(6) {
		switch c.IntN(4) {
		case 0:
			r.path = c.mutateText(r.path)
		case 1:
			r.query = c.mutateText(r.query)
		case 2:
			r.method = pick(c.source, []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", ""})
		case 3:
			r.header = append(r.header, c.mutateText(pick(c.source, headers)))
		}
	}
	var b strings.Builder
	b.WriteString(r.method + " " + r.path)
	if r.query != "" {
		b.WriteString("?" + r.query)
	}
	b.WriteString(" HTTP/1.1\r\nHost: " + goodHost + "\r\nX-Forwarded-For: " + c.address() + "\r\n")
	for _, line := range r.header {
		b.WriteString(line + "\r\n")
	}
	if r.method != "GET" || len(r.body) > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	b.Write(r.body)
	if c.chance(20) {
		return c.mutate([]byte(b.String()))
	}
	return []byte(b.String())
}

// address returns an address of a client, of a few hundred.
func (c *client) address() string {
	if c.chance(4) {
		return fmt.Sprintf("2001:db8:0:%x::%x", c.IntN(256), c.IntN(1<<16))
	}
	return fmt.Sprintf("198.51.100.%d", c.IntN(256))
}

// headers have a meaning for heartbeatd, for net/http or for WordPress.
var headers = []string{
	"Origin: https://blog.test", "Origin: null", "Origin: https://xn--bcher-kva.example:443", "Origin: http://[::1]:80",
	"X-Forwarded-For: 192.0.2.1, 198.51.100.1", "X-Forwarded-For: [2001:db8::1]:80", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test",
	"Connection: keep-alive, Heartbeat-Ticket", "Connection: close", "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c",
	"Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=x", "Content-Type: application/json; charset=utf-16",
	"Content-Encoding: gzip", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Content-Length: 3", "Content-Length: -1", "Content-Length: +5",
	"Expect: 100-continue", "TE: trailers", "Trailer: Heartbeat-Ticket", "Range: bytes=0-1,5-", "If-None-Match: W/\"x\"", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
	"Cookie: wordpress_logged_in_x=admin%7C1%7Ctoken%7Cmac", "Host: evil.test", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 14", "Sec-WebSocket-Extensions: permessage-deflate",
	"Heartbeat-Session: ABCDEFGHIJKLMNOPQRSTUVWXYZ", "Heartbeat-Connection: page-00000001", "Heartbeat-Ticket: a.b.c", "Authorization: Bearer a.b.c", "Authorization: Basic OjpA",
	"Accept-Encoding: gzip, br", "X-HTTP-Method-Override: DELETE", "Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43",
}
