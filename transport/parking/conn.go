package parking

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// idleTime is how long a connection may take until its next request begins.
const idleTime = 2 * time.Minute

// answerTime is how long a client may take to read an answer, unless its handler says otherwise.
const answerTime = 30 * time.Second

// Conn is the connection of a request that waits.
type Conn struct {
	net.Conn
	lot   *Lot
	ends  bool // with the answer
	lost  bool // the client has ended it
	early []byte
	first [1]byte // where Wait reads

	mu       sync.Mutex // guards the following fields, and the read deadline while it is not answered
	woken    bool
	answered bool
}

// run answers the request, and gives the connection back with the next one.
func (c *Conn) run(serve func(*Conn) bool) {
	defer c.lot.running.Done()
	defer c.lot.remove(c)
	c.lot.note(c, false)
	if c.answer(serve) {
		c.lot.note(c, true)
		_ = c.SetDeadline(time.Now().Add(idleTime))
		if c.read() == nil {
			_ = c.SetDeadline(time.Time{})
			select {
			case c.lot.back <- &returned{c.Conn, c.early}:
				return
			case <-c.lot.closed:
			}
		}
	}
	_ = c.Close()
}

// answer calls serve. As net/http does, it logs a panic and ends only this request.
func (c *Conn) answer(serve func(*Conn) bool) (keep bool) {
	defer func() {
		c.mu.Lock()
		c.answered = true
		c.mu.Unlock()
		if v := recover(); v != nil {
			c.lot.log.Error("a request that waits has panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	return serve(c) && !c.ends
}

// read waits for the first byte of the next request.
func (c *Conn) read() error {
	if len(c.early) > 0 {
		return nil
	}
	n, err := c.Conn.Read(c.first[:])
	if n > 0 {
		c.early, err = c.first[:n], nil
	}
	return err
}

// Wait returns at a time, after Wake, or when the client has ended the connection. It returns false at once
// if the next request has begun to arrive: then the end of the connection cannot be noticed.
func (c *Conn) Wait(until time.Time) bool {
	c.mu.Lock()
	woken := c.woken
	if !woken && len(c.early) == 0 {
		_ = c.SetReadDeadline(until)
	}
	c.woken = false
	c.mu.Unlock()
	if woken {
		return true
	}
	if len(c.early) > 0 {
		return false
	}
	if err := c.read(); err != nil {
		c.lost = !errors.Is(err, os.ErrDeadlineExceeded)
	}
	return true
}

// Wake ends Wait, or the next one.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.woken = true
	if !c.answered { // else net/http may read
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
}

// Context ends when the lot ends all connections.
func (c *Conn) Context() context.Context { return c.lot.ctx }

// Lost reports whether Wait has noticed the end of the connection.
func (c *Conn) Lost() bool { return c.lost }

// Answer sends what a handler writes as the response of the request. It returns whether the connection can
// be used again. header is what the handler finds there.
func (c *Conn) Answer(header http.Header, handler func(http.ResponseWriter)) bool {
	c.ends = c.ends || c.lot.isClosing()
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	w := &response{Response: http.Response{ProtoMajor: 1, ProtoMinor: 1, StatusCode: http.StatusOK, Header: header, Close: c.ends}, conn: c}
	handler(w)
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.ContentLength = int64(w.body.Len())
	w.Body = io.NopCloser(&w.body)
	var b bytes.Buffer
	_ = w.Response.Write(&b)
	_, err := c.Write(b.Bytes())
	return err == nil
}

// WriteChunk writes a part of a response whose beginning net/http has written, without its length.
func (c *Conn) WriteChunk(b []byte) error {
	_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(b), b)
	return err
}

// EndChunks ends such a response. It returns whether the connection can be used again.
func (c *Conn) EndChunks() bool {
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := io.WriteString(c, "0\r\n\r\n")
	return err == nil
}

// response is the http.ResponseWriter of Answer.
type response struct {
	http.Response
	conn *Conn
	body bytes.Buffer
}

func (w *response) Header() http.Header                { return w.Response.Header }
func (w *response) WriteHeader(status int)             { w.StatusCode = status }
func (w *response) Write(b []byte) (int, error)        { return w.body.Write(b) }
func (w *response) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// returned is a connection of which the lot has read some bytes.
type returned struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (c *returned) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// SyscallConn implements syscall.Conn: a WebSocket writes to the file descriptor.
func (c *returned) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
