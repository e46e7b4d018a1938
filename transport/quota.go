package transport

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits bounds what the clients of a node use together, and each of them alone.
type Limits interface {
	// Open counts a connection of a request's client, until release is called. If the
	// client may not open one more, err says so, and release is nil.
	Open(r *http.Request) (release func(), err *Bye)
	// Quota returns how many bytes of bodies the request's client may send at once.
	Quota(r *http.Request) *Quota
}

// Quota bounds a number of bytes, and takes them from the quota of which it is a part, if
// there is one. A nil Quota has no bound.
type Quota struct {
	Max    int64
	Of     *Quota
	Denied func() // called when bytes are denied, if it is not nil

	used atomic.Int64
}

// Take takes n bytes, and reports whether there were that many.
func (q *Quota) Take(n int) bool {
	if q == nil || n <= 0 {
		return true
	}
	if q.used.Add(int64(n)) > q.Max {
		q.used.Add(int64(-n))
		if q.Denied != nil {
			q.Denied()
		}
		return false
	}
	if !q.Of.Take(n) {
		q.used.Add(int64(-n))
		return false
	}
	return true
}

// Give returns n bytes that Take took.
func (q *Quota) Give(n int) {
	if q == nil || n <= 0 {
		return
	}
	q.used.Add(int64(-n))
	q.Of.Give(n)
}

// Used returns the number of bytes that are taken.
func (q *Quota) Used() int64 { return q.used.Load() }

// freeBytes of a body or a message do not count: the usual hello and beat are smaller.
const freeBytes = 4 << 10

// counted returns how much of a buffer counts.
func counted(size int) int { return max(0, size-freeBytes) }

// errBusy refuses a body beyond the quota.
var errBusy = &Bye{Code: CodeTooMany, Reason: "too many bytes of requests are being received at once", RetryAfter: 5 * time.Second}

// Errors of ReadBody.
var (
	ErrTooLarge   error = errTooLarge
	ErrIncomplete error = errIncomplete
	ErrBusy       error = errBusy
)

// Body is the body of a request. Release returns its bytes to the quota.
type Body struct {
	Bytes []byte
	quota *Quota
	taken int
}

// Release ends the use of the body.
func (b *Body) Release() { b.quota.Give(b.taken) }

// ReadBody reads a body of at most limit bytes. It takes memory as data arrives: a client
// that announces a large body, and does not send it, uses little. What is larger than
// freeBytes comes from the client's quota. The error is ErrTooLarge, ErrIncomplete or
// ErrBusy.
func ReadBody(r *http.Request, limit int, of Limits) (body Body, err error) {
	if r.ContentLength > int64(limit) {
		return body, errTooLarge
	}
	size := smallBuffer
	if r.ContentLength >= 0 {
		size = min(size, int(r.ContentLength)+1)
	}
	b := make([]byte, 0, size)
	for {
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			body.Release()
			return Body{}, errTooLarge
		case errors.Is(err, io.EOF):
			body.Bytes = b
			return body, nil
		case err != nil:
			body.Release()
			return Body{}, errIncomplete
		case len(b) < cap(b):
			continue
		}
		if body.quota == nil && of != nil {
			body.quota = of.Quota(r)
		}
		larger, ok := body.grow(b, limit)
		if !ok {
			body.Release()
			return Body{}, errBusy
		}
		b = larger
	}
}

// grow returns b with twice its capacity, but no more than a byte above limit, if the quota
// has the bytes.
func (b *Body) grow(data []byte, limit int) (larger []byte, ok bool) {
	size := min(2*cap(data), limit+1)
	more := counted(size) - counted(cap(data))
	if !b.quota.Take(more) {
		return nil, false
	}
	b.taken += more
	return append(make([]byte, 0, size), data...), true
}
