package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/coder/websocket"
)

// quotas are Limits with one quota, which count connections.
type quotas struct {
	quota Quota
	open  atomic.Int32
	full  bool
}

func (q *quotas) Open(*http.Request) (func(), *Bye) {
	if q.full {
		return nil, &Bye{Code: CodeTooMany, Reason: "full", RetryAfter: time.Second}
	}
	q.open.Add(1)
	return func() { q.open.Add(-1) }, nil
}

func (q *quotas) Quota(*http.Request) *Quota { return &q.quota }

// TestReadBody reads bodies of many sizes, with and without a known length.
func TestReadBody(t *testing.T) {
	const limit = 10_000
	for _, size := range []int{0, 1, smallBuffer - 1, smallBuffer, smallBuffer + 1, freeBytes - 1, freeBytes, 5000, limit, limit + 1, 10 * limit} {
		for _, length := range []int64{int64(size), -1} {
			q := &quotas{quota: Quota{Max: 1 << 20}}
			want := bytes.Repeat([]byte("a"), size)
			r := httptest.NewRequest("POST", "/", iotest.HalfReader(bytes.NewReader(want)))
			r.ContentLength = length
			body, err := ReadBody(r, limit, q)
			switch {
			case size > limit && !errors.Is(err, ErrTooLarge), size <= limit && (err != nil || !bytes.Equal(body.Bytes, want)):
				t.Errorf("%d bytes with the length %d: read %d, %v", size, length, len(body.Bytes), err)
			case q.quota.Used() != int64(max(0, cap(body.Bytes)-freeBytes)):
				t.Errorf("%d bytes took %d from the quota", size, q.quota.Used())
			}
			body.Release()
			if used := q.quota.Used(); used != 0 {
				t.Errorf("%d bytes are still taken after a body of %d", used, size)
			}
		}
	}
}

// TestReadBodyTakesMemoryAsDataArrives announces a large body, and sends some of it.
func TestReadBodyTakesMemoryAsDataArrives(t *testing.T) {
	read, write := io.Pipe()
	q := &quotas{quota: Quota{Max: 1 << 20}}
	r := httptest.NewRequest("POST", "/", read)
	r.ContentLength = MaxBody
	failed := make(chan error)
	go func() {
		_, err := ReadBody(r, MaxBody, q)
		failed <- err
	}()
	_, _ = write.Write(make([]byte, 5000))
	if used := q.quota.Used(); used > 8<<10 {
		t.Errorf("%d bytes are taken for 5000", used)
	}
	_ = write.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-failed; !errors.Is(err, ErrIncomplete) || q.quota.Used() != 0 {
		t.Errorf("the body ended with %v, %d bytes are taken", err, q.quota.Used())
	}
}

// TestQuota checks that bodies beyond the total are refused, and small ones are not.
func TestQuota(t *testing.T) {
	all := &Quota{Max: 5000}
	denied := 0
	q := &quotas{quota: Quota{Max: 1 << 20, Of: all, Denied: func() { denied++ }}}
	read := func(size int) (Body, error) {
		return ReadBody(httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("a", size))), MaxBody, q)
	}
	first, err := read(5000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(5000); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the total: %v", err)
	}
	if _, err := read(freeBytes - 1); err != nil {
		t.Errorf("a body of the usual size: %v", err)
	}
	first.Release()
	second, err := read(5000)
	if err != nil {
		t.Errorf("when there is room again: %v", err)
	}
	second.Release()
	if all.Used() != 0 || q.quota.Used() != 0 {
		t.Errorf("%d and %d bytes are still taken", all.Used(), q.quota.Used())
	}
}

// serveLimited serves a WebSocket with a quota, and returns a client that has sent its hello.
func serveLimited(t *testing.T, limit int64) (*WebSocket, *quotas, *websocket.Conn) {
	t.Helper()
	q := &quotas{quota: Quota{Max: limit}}
	ws := &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}, Limits: q}
	c := dial(t, serve(t, ws), Subprotocol)
	c.SetReadLimit(-1)
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"hello"}`)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ws, q, c
}

// TestMessageQuota sends messages within and beyond the quota.
func TestMessageQuota(t *testing.T) {
	_, q, c := serveLimited(t, 20_000)
	send := func(size int) error {
		return c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"beat","id":7,"body":"`+strings.Repeat("a", size)+`"}`))
	}
	for _, size := range []int{10, smallBuffer, 10_000} {
		if err := send(size); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || len(b) < size {
			t.Fatalf("the tick of %d bytes: %d, %v", size, len(b), err)
		}
	}
	until(t, "the quota is free", func() bool { return q.quota.Used() == 0 })
	_ = send(MaxBody)
	if code, _ := closed(t, c); code != CodeTooMany {
		t.Errorf("beyond the quota the connection is closed with %d", code)
	}
	until(t, "the connection is released", func() bool { return q.quota.Used() == 0 && q.open.Load() == 0 })
}

// TestUnfinishedMessage starts a message and never ends it, while it answers pings: the
// message takes memory for what has arrived, and the connection ends within two turns of the
// pinger.
func TestUnfinishedMessage(t *testing.T) {
	ws, q, c := serveLimited(t, 1<<20)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w, err := c.Writer(ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	part := bufio.NewWriterSize(w, 3000)
	for range 3 { // the writer of the library keeps the last part
		_, _ = part.WriteString(strings.Repeat("a", 3000))
		_ = part.Flush()
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	}()
	until(t, "a part has arrived", func() bool { return q.quota.Used() > 0 })
	if used := q.quota.Used(); used > 16<<10 {
		t.Errorf("%d bytes are taken for less than 9000", used)
	}
	for range 2 * pingSlots {
		ws.pinger.advance()
	}
	select {
	case <-gone:
	case <-ctx.Done():
		t.Error("the connection does not end")
	}
	until(t, "everything is released", func() bool { return q.quota.Used() == 0 && q.open.Load() == 0 })
}

// TestRefusedConnections refuses connections above the limit.
func TestRefusedConnections(t *testing.T) {
	q := &quotas{full: true}
	url := serve(t, &WebSocket{Server: &echo{}, Limits: q})
	_, r, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err == nil || r.StatusCode != http.StatusTooManyRequests || !slices.Contains([]string{"1", "2"}, r.Header.Get("Retry-After")) {
		t.Errorf("a WebSocket: %v", err)
	}
	p := newPolls()
	p.Limits = q
	w := httptest.NewRecorder()
	p.Open(w, httptest.NewRequest("POST", "/open", strings.NewReader(`{"type":"hello"}`)))
	if w.Code != http.StatusTooManyRequests {
		t.Errorf("an open: %d", w.Code)
	}
	q.full = false
	id := p.open()
	if q.open.Load() != 1 {
		t.Errorf("%d connections count", q.open.Load())
	}
	p.find(id).End(nil)
	if q.open.Load() != 0 {
		t.Errorf("%d connections count after the end", q.open.Load())
	}
}
