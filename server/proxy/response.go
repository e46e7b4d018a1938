package proxy

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxBuffered is how much of a response waits for its client, and maxClientBuffers how
	// much of all responses to one client.
	maxBuffered      = 1 << 20
	maxClientBuffers = 16 << 20
	// freeBuffer is what each response may keep of it anyway.
	freeBuffer = 32 << 10
	// partSize is the least size of the parts that are kept.
	partSize = 4 << 10
	// slowTime is how long WordPress waits in total for a client that reads more slowly than
	// slowRate bytes a second.
	slowTime = 15 * time.Second
	slowRate = 16 << 10
)

// errSlow ends the response to a client that reads too slowly.
var errSlow = errors.New("the client reads too slowly")

// response passes a response on to the client, and keeps what the client has not read yet, so
// that WordPress does not wait for the client. It is an http.ResponseWriter.
type response struct {
	http.ResponseWriter
	quota    *transport.Quota
	progress func(working bool) // called when WordPress has sent something, and when it goes on

	done   chan struct{} // closed when the client has everything; nil before the header
	waited time.Duration // for the client
	sent   int64         // bytes that WordPress has sent

	mu     sync.Mutex // guards the following fields
	parts  [][]byte
	bytes  int           // of parts, and of what is being written
	taken  int           // from the quota
	news   chan struct{} // has a token when there may be parts, or the end
	space  chan struct{} // has a token when bytes became less
	ended  bool
	failed error
}

// WriteHeader implements http.ResponseWriter. After the header of the response, and not
// after those of 1xx, a goroutine writes to the client.
func (o *response) WriteHeader(status int) {
	transport.LimitWrite(o.ResponseWriter, 0)
	o.ResponseWriter.WriteHeader(status)
	if status < 200 && status != http.StatusSwitchingProtocols || o.done != nil {
		return
	}
	o.done = make(chan struct{})
	o.news, o.space = make(chan struct{}, 1), make(chan struct{}, 1)
	go o.write()
	o.progress(true)
}

// Flush implements http.Flusher: the other goroutine flushes.
func (o *response) Flush() {}

// Write keeps p for the client. If too much is kept already, it waits.
func (o *response) Write(p []byte) (int, error) {
	if o.done == nil {
		o.WriteHeader(http.StatusOK)
	}
	o.progress(false)
	defer o.progress(true)
	o.sent += int64(len(p))
	for {
		added, err := o.add(p)
		if err != nil {
			return 0, err
		}
		if added {
			notify(o.news)
			return len(p), nil
		}
		o.wait()
	}
}

// wait waits until there may be more space, and ends the response to a client that is slow.
func (o *response) wait() {
	began := time.Now()
	defer func() { o.waited += time.Since(began) }()
	slow := time.NewTimer(slowTime + time.Duration(o.sent)*time.Second/slowRate - o.waited)
	defer slow.Stop()
	select {
	case <-o.space:
	case <-slow.C:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.fail(errSlow)
	}
}

// add keeps a copy of p if there is space for it. There always is if nothing else is kept.
func (o *response) add(p []byte) (added bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed != nil {
		return false, o.failed
	}
	if o.bytes > 0 && o.bytes+len(p) > maxBuffered {
		return false, nil
	}
	if more := max(0, o.bytes+len(p)-freeBuffer) - o.taken; o.bytes > 0 && more > 0 {
		if !o.quota.Take(more) {
			return false, nil
		}
		o.taken += more
	}
	o.bytes += len(p)
	if last := len(o.parts) - 1; last >= 0 && cap(o.parts[last])-len(o.parts[last]) >= len(p) {
		o.parts[last] = append(o.parts[last], p...)
		return true, nil
	}
	o.parts = append(o.parts, append(make([]byte, 0, max(len(p), partSize)), p...))
	return true, nil
}

// fail ends the response, and drops what is kept. It is called with o.mu held.
func (o *response) fail(err error) {
	if o.failed != nil || err == nil {
		return
	}
	o.failed, o.parts = err, nil
	notify(o.news)
	notify(o.space)
}

// next returns the next part for the client, and whether it is the last one so far. It waits
// for one until the response has ended.
func (o *response) next() (part []byte, last bool) {
	for {
		o.mu.Lock()
		ended := o.ended || o.failed != nil
		if len(o.parts) > 0 {
			part, o.parts = o.parts[0], o.parts[1:]
		}
		last = len(o.parts) == 0
		o.mu.Unlock()
		if part != nil || ended {
			return part, last
		}
		<-o.news
	}
}

// write writes to the client until the response has ended.
func (o *response) write() {
	defer close(o.done)
	control := http.NewResponseController(o.ResponseWriter)
	err := control.Flush() // the header
	for {
		o.mu.Lock()
		o.fail(err)
		o.mu.Unlock()
		part, last := o.next()
		if part == nil {
			break
		}
		transport.LimitWrite(o.ResponseWriter, len(part))
		if _, err = o.ResponseWriter.Write(part); err == nil && last {
			err = control.Flush()
		}
		o.written(len(part))
	}
	o.written(0)
}

// written notes that the client has n bytes more, or that it gets no more.
func (o *response) written(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= n
	if n == 0 {
		o.bytes = 0
	}
	less := o.taken - max(0, o.bytes-freeBuffer)
	if less > 0 {
		o.quota.Give(less)
		o.taken -= less
	}
	notify(o.space)
}

// finish waits until the client has everything, and returns the error because of which it
// has not.
func (o *response) finish() error {
	if o.done == nil {
		return nil
	}
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	notify(o.news)
	<-o.done
	return o.failed
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
