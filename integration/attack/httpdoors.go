//go:build linux

package main

import "strings"

// framings are pairs of header lines and bodies in which two servers may see the end of a
// request at different places.
var framings = []string{
	"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "X: x\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "X: x\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
	"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\na=b\r\n0\r\nX: y\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0x3\r\na=b\r\n0\r\n\r\n",
	"Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\na=b\n0\n\n",
	"Transfer-Encoding: chunked\r\n\r\n3\r\na=bXX0\r\n\r\n", "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n3\r\na=b\r\n0\r\nContent-Length: 99\r\n\r\n",
	"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=bc", "Content-Length: 3, 3\r\n\r\na=b", "Content-Length: +3\r\n\r\na=b", "Content-Length: 0x3\r\n\r\na=b", "Content-Length: 3 \r\n\r\na=b",
	"Content-Length: -3\r\n\r\na=b", "Content-Length: 99999999999999999999\r\n\r\na=b", "Content_Length: 3\r\n\r\na=b", "Content-Length\r\n\r\na=b",
	"Content-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n", "Content-Length: 0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: " + goodHost + "\r\n\r\n",
	"Expect: 100-continue\r\nContent-Length: 3\r\n\r\na=b", "Expect: something\r\nContent-Length: 3\r\n\r\na=b",
	"Upgrade: a\tb\r\nConnection: Upgrade\r\n\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\na=b", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n",
	"Connection: Content-Length, Host, X-Forwarded-For\r\nContent-Length: 3\r\n\r\na=b", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

// starts are request lines, with %s for a path.
var starts = []string{
	"POST %s HTTP/1.1", "GET %s HTTP/1.1", "POST %s HTTP/1.0", "POST %s HTTP/2.0", "POST %s HTTP/0.9", "POST %s", "post %s HTTP/1.1", "POST  %s  HTTP/1.1", "POST\t%s\tHTTP/1.1",
	"GET http://evil.test%s HTTP/1.1", "GET //evil.test%s HTTP/1.1", "CONNECT evil.test:443 HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE %s HTTP/1.1", "PRI * HTTP/2.0",
	"GET /%%2e%%2e%s HTTP/1.1", "GET /.%s HTTP/1.1", "GET /%s HTTP/1.1", "GET %s%%00 HTTP/1.1", "GET %s/../smuggled HTTP/1.1", "GET %s?a=b#c HTTP/1.1", "GET \\%s HTTP/1.1", "M-SEARCH %s HTTP/1.1",
}

// tryPublicHTTP sends the bytes of requests that are not valid, or that two servers may read
// differently.
func (c *client) tryPublicHTTP() {
	path := pick(c.source, []string{ajaxPath, ajaxPath, "/heartbeat/beat", "/heartbeat/open", "/heartbeat/socket", "/heartbeat/poll", "/heartbeat/close", "/heartbeat/heartbeat.js"})
	c.send(c.public, c.rawRequest(path))
}

func (c *client) tryAdminHTTP() {
	path := pick(c.source, []string{"/healthz", "/metrics", "/api/v1/push", "/api/v1/presence"})
	c.send(c.admin, c.rawRequest(path))
}

func (c *client) rawRequest(path string) []byte {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(pick(c.source, starts), "%s", path), "%%", "%") + "\r\n")
	switch c.IntN(12) {
	case 0: // no Host
	case 1:
		b.WriteString("Host: " + c.mutateText(goodHost) + "\r\n")
	case 2:
		b.WriteString("Host: a\r\nHost: b\r\n")
	default:
		b.WriteString("Host: " + goodHost + "\r\n")
	}
	b.WriteString("X-Forwarded-For: " + c.address() + "\r\n")
	for range c.IntN(3) {
		b.WriteString(pick(c.source, headers) + "\r\n")
	}
	if c.chance(50) {
		b.WriteString(strings.Repeat("X-Filler: "+strings.Repeat("y", 100)+"\r\n", c.IntN(600)))
	}
	if c.chance(3) {
		b.WriteString("Content-Type: application/x-www-form-urlencoded\r\n")
	}
	b.WriteString(pick(c.source, framings))
	if c.chance(2) {
		return c.mutate([]byte(b.String()))
	}
	return []byte(b.String())
}
