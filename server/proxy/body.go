package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// memoryBody is the largest body that is kept in memory. The others are kept in temporary
	// files, of at most maxClientFiles bytes of one client.
	memoryBody     = 64 << 10
	maxClientFiles = 512 << 20
	// bodyTime is how long a client may take to send a small body, and the longest time that
	// it may pause. It must send bodyRate bytes a second of a large one.
	bodyTime = 20 * time.Second
	bodyRate = 8 << 10
	// firstPart and otherParts are how many bytes are read at once: a client that announces a
	// body, and does not send it, uses little memory.
	firstPart  = 4 << 10
	otherParts = 32 << 10
)

// errFull refuses a body beyond the limits.
var errFull = errors.New("too many bytes of requests are being received at once")

// body is the body of a request, received completely.
type body struct {
	io.Reader
	size   int64
	memory *transport.Quota // of the bytes in memory
	kept   int
	file   *os.File
	files  *transport.Quota // of the bytes in the file
	filed  int
}

// Close removes the body.
func (b *body) Close() error {
	b.memory.Give(b.kept)
	b.files.Give(b.filed)
	b.kept, b.filed = 0, 0
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	_ = os.Remove(b.file.Name()) // where an open file cannot be removed
	b.file = nil
	return err
}

// nextDeadline returns until when the next bytes of a body must arrive, after n bytes more have
// arrived before a deadline.
func nextDeadline(before time.Time, n int, now time.Time) time.Time {
	next := before.Add(time.Duration(n) * time.Second / bodyRate)
	if latest := now.Add(bodyTime); next.After(latest) {
		return latest
	}
	return next
}

// receive receives the body of a request. The caller closes it.
func (p *Proxy) receive(w http.ResponseWriter, r *http.Request, from *share) (b *body, err error) {
	b = &body{memory: p.memory, files: &from.files}
	defer func() {
		if err != nil {
			_ = b.Close()
		}
	}()
	control, deadline := http.NewResponseController(w), time.Now().Add(bodyTime)
	defer func() { _ = control.SetReadDeadline(time.Time{}) }() // it would end the request while WordPress works
	if r.ContentLength == 0 {
		return b, nil
	}
	if r.ContentLength > from.files.Max {
		return b, errFull
	}
	var memory []byte
	part := make([]byte, min(firstPart, uint64(r.ContentLength))) // as unsigned, an unknown length is large
	for n := 0; err == nil; {
		if n == firstPart && len(part) == firstPart {
			part = make([]byte, otherParts)
		}
		_ = control.SetReadDeadline(deadline)
		n, err = r.Body.Read(part)
		deadline = nextDeadline(deadline, n, time.Now())
		b.size += int64(n)
		if b.file == nil && b.size <= memoryBody && p.memory.Take(n) {
			b.kept += n
			memory = append(memory, part[:n]...)
			continue
		}
		if failed := b.store(memory, part[:n]); failed != nil {
			return b, failed
		}
		memory = nil
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return b, errSlowBody
	case !errors.Is(err, io.EOF):
		return b, errIncomplete
	case b.file == nil:
		b.Reader = bytes.NewReader(memory)
		return b, nil
	}
	_, err = b.file.Seek(0, io.SeekStart)
	b.Reader = b.file
	return b, err
}

// store appends to the body's file, which it makes first if there is none.
func (b *body) store(memory, part []byte) error {
	if !b.files.Take(len(memory) + len(part)) {
		return errFull
	}
	b.filed += len(memory) + len(part)
	if b.file == nil {
		var err error
		if b.file, err = os.CreateTemp("", "heartbeatd-body-"); err != nil {
			return err
		}
		_ = os.Remove(b.file.Name()) // the file lives until it is closed
		if _, err := b.file.Write(memory); err != nil {
			return err
		}
		b.memory.Give(b.kept)
		b.kept = 0
	}
	_, err := b.file.Write(part)
	return err
}
