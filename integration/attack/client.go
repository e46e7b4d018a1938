//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// patience is how long a client waits for an answer until it sends no more. Then heartbeatd
	// must end the connection within endWait.
	patience = 100 * time.Millisecond
	endWait  = 10 * time.Second
	// caseInputs is the number of inputs of a case.
	caseInputs = 8
	// maxAnswer is the number of bytes of an answer that are read.
	maxAnswer = 8 << 20
)

// client sends the inputs of one case to one door, one after another.
type client struct {
	source
	*target
	tally  *tally
	name   string // of the case, for messages
	inputs int

	conn   net.Conn
	in     *bufio.Reader
	dialed string // the address that conn is connected to

	session string // over long-poll
}

// target is what is attacked.
type target struct{ public, admin string }

// send sends one input and returns the status and the body of the answer; 0 if there is none.
func (c *client) send(address string, input []byte) (status int, body []byte) {
	c.inputs++
	if c.conn != nil && c.dialed != address {
		c.drop()
	}
	if c.conn == nil {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			c.fault("no connection: %v", err)
			return 0, nil
		}
		c.conn, c.in, c.dialed = conn, bufio.NewReader(conn), address
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(endWait))
	_, _ = c.conn.Write(input) // heartbeatd may have answered and closed the connection before
	method, _, _ := bytes.Cut(input, []byte(" "))
	status, body, err := c.receive(string(method))
	switch {
	case errors.Is(err, errNotHTTP), errors.Is(err, errOpen):
		c.fault("%v: %q", err, cut(input))
	case status >= 500 && bytes.Contains(body, []byte(context.Canceled.Error())): // the client has given up
		status = 0
	case status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported:
		c.fault("status %d %q: %q", status, cut(body), cut(input))
	}
	c.tally.status(status)
	return status, body
}

// fault records what must not happen, and the case, whose number and seed repeat it. Its kind is
// the door and the format.
func (c *client) fault(format string, args ...any) {
	_, door, _ := strings.Cut(c.name, ", ")
	c.tally.faultOf(door+": "+format, "%s: "+format, append([]any{c.name}, args...)...)
}

var (
	errNotHTTP = errors.New("the answer is not HTTP")
	errOpen    = errors.New("the connection stays open after its client has closed it")
)

// receive reads an answer. It drops the connection, unless another request may follow.
func (c *client) receive(method string) (status int, body []byte, err error) {
	for {
		if answered, err := c.awaitAnswer(); !answered {
			c.drop()
			return 0, nil, err
		}
		r, err := http.ReadResponse(c.in, &http.Request{Method: method})
		if err != nil {
			c.drop()
			if errors.Is(err, syscall.ECONNRESET) {
				return 0, nil, nil
			}
			return 0, nil, fmt.Errorf("%w: %w", errNotHTTP, err)
		}
		switch {
		case r.StatusCode == http.StatusSwitchingProtocols:
			return r.StatusCode, nil, nil
		case r.StatusCode < 200:
			continue
		}
		body, err = c.readBody(r)
		if r.Close || c.dialed == "" || err != nil || c.in.Buffered() > 0 { // the answer to another request may follow
			c.drop()
		}
		return r.StatusCode, body, err
	}
}

// awaitAnswer waits for the first byte of an answer. It returns false if the connection ends
// without one.
func (c *client) awaitAnswer() (answered bool, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	_, err = c.in.Peek(1)
	if isTimeout(err) {
		c.finish()
		_, err = c.in.Peek(1)
	}
	if isTimeout(err) {
		return false, errOpen
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(endWait))
	return err == nil, nil
}

// readBody reads the body of an answer. If it does not end, it is read as far as it came.
func (c *client) readBody(r *http.Response) ([]byte, error) {
	if c.dialed != "" {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	}
	var b bytes.Buffer
	_, err := io.Copy(&b, io.LimitReader(r.Body, maxAnswer))
	if isTimeout(err) && c.dialed != "" {
		c.finish()
		_, err = io.Copy(io.Discard, c.in) // the body may be chunked, and its reader keeps the error
	}
	if isTimeout(err) {
		return b.Bytes(), errOpen
	}
	if err != nil {
		c.drop()
	}
	return b.Bytes(), nil
}

// finish closes the client's side of the connection, which is not used again.
func (c *client) finish() {
	_ = c.conn.(*net.TCPConn).CloseWrite()
	c.dialed = ""
	_ = c.conn.SetReadDeadline(time.Now().Add(endWait))
}

// drop closes the connection. It leaves nothing in the kernel, where the ports would run out.
func (c *client) drop() {
	if c.conn != nil {
		_ = c.conn.(*net.TCPConn).SetLinger(0)
		_ = c.conn.Close()
	}
	c.conn = nil
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// cut returns the beginning of an input or an answer, for a message.
func cut(b []byte) []byte { return b[:min(len(b), 600)] }

// endSession logs out the page of a session, if the session is still there.
func (c *client) endSession() {
	frame := `{"type":"leave"}`
	c.send(c.public, fmt.Appendf(nil, "POST /heartbeat/beat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nHeartbeat-Session: %s\r\nContent-Length: %d\r\n\r\n%s", c.session, len(frame), frame))
	c.inputs-- // it is not mutated
	c.drop()
}
