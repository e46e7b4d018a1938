package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/transport"
)

// attackers is the number of connections of an attack.
const attackers = 2 * maxRequests

// connect sends the beginning of a request on a connection with a small receive buffer.
func connect(t *testing.T, url, text string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
	}}
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// othersAreServed checks that another client gets its answer soon.
func othersAreServed(t *testing.T, url string) {
	t.Helper()
	began := time.Now()
	if got := status(t, url+"/?quick"); got != http.StatusOK {
		t.Errorf("another client: %d", got)
	}
	t.Logf("another client was served after %v", time.Since(began))
}

// TestSlowUploads announces 10 MB and sends 70 KB of them, on more connections than
// WordPress answers at once.
func TestSlowUploads(t *testing.T) {
	asked := make(chan struct{}, attackers)
	p, url := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "quick" {
			asked <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	for range attackers {
		connect(t, url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"+strings.Repeat("a", 70_000))
	}
	until(t, "the bodies are received", func() bool { return p.files.Used() >= attackers*69_000 })
	othersAreServed(t, url)
	if len(asked) > 0 {
		t.Errorf("WordPress got %d requests without their bodies", len(asked))
	}
}

// TestSlowReaders does not read answers, on more connections than WordPress answers at once.
func TestSlowReaders(t *testing.T) {
	var answered sync.WaitGroup
	answered.Add(attackers)
	p, url := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "quick" {
			defer answered.Done()
			_, _ = w.Write(make([]byte, 700_000))
		}
	})
	for range attackers {
		connect(t, url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	answered.Wait()
	othersAreServed(t, url)
	if used := p.buffers.Used(); used > p.buffers.Max {
		t.Errorf("%d bytes of answers are kept", used)
	}
}

// TestShare lets one address ask for more than WordPress answers at once, while WordPress is
// slow.
func TestShare(t *testing.T) {
	release := make(chan struct{})
	p, url := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "quick" {
			<-release
		}
	})
	p.wait = time.Minute
	for range attackers {
		connect(t, url, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
	}
	until(t, "the address waits", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		s := p.shares[netip.MustParsePrefix("192.0.2.7/32")]
		return s != nil && s.requests == attackers
	})
	othersAreServed(t, url)
	close(release)
}

// TestLargeUpload sends 100 MB, with and without a length, which do not stay in memory.
func TestLargeUpload(t *testing.T) {
	const size = 100 << 20
	var most uint64
	p, url := start(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, _ := io.Copy(sum, r.Body)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
		_, _ = fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	})
	want := sha256.New()
	_, _ = io.Copy(want, io.LimitReader(zeros{}, size))
	for _, length := range []int64{size, -1} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, io.LimitReader(zeros{}, size))
		r.ContentLength = length
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if got := string(body); got != fmt.Sprintf("%d %x", size, want.Sum(nil)) {
			t.Errorf("WordPress got %s", got)
		}
	}
	if most > 64<<20 {
		t.Errorf("the heap had %d bytes", most)
	}
	until(t, "nothing is kept", func() bool { return p.files.Used() == 0 && p.memory.Used() == 0 && p.buffers.Used() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestFull refuses a body when there is no room, with 504: the web server then asks PHP.
func TestFull(t *testing.T) {
	p, url := start(t, func(http.ResponseWriter, *http.Request) {})
	p.files.Max = 100_000
	refused := 0
	p.clients = limit.New(nil, func(string) { refused++ })
	post := func(size int) int {
		r, err := http.Post(url, "text/plain", bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		return r.StatusCode
	}
	if got := post(90_000); got != 200 {
		t.Errorf("a body with room: %d", got)
	}
	if got := post(110_000); got != http.StatusGatewayTimeout || refused != 1 {
		t.Errorf("a body without room: %d, %d refused", got, refused)
	}
	p.memory.Max = 10 // a small body goes to a file
	if got := post(1000); got != 200 {
		t.Errorf("a body without room in memory: %d", got)
	}
	t.Setenv("TMPDIR", "/nowhere")
	if got := post(90_000); got != http.StatusBadGateway {
		t.Errorf("without a temporary folder: %d", got)
	}
}

// TestUpgrade checks that an upgrade is not passed on, as nothing in admin-ajax.php has one.
func TestUpgrade(t *testing.T) {
	_, url := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "upgrade "+r.Header.Get("Upgrade"))
	})
	for _, value := range []string{"a\tb", "websocket", "h2c"} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {value}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != 200 || string(body) != "upgrade " {
			t.Errorf("Upgrade: %q: %d %s", value, answer.StatusCode, body)
		}
	}
}

// TestStalledAnswer checks that WordPress's slot is free again when its answer does not go on.
func TestStalledAnswer(t *testing.T) {
	p, url := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "quick" {
			return
		}
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	p.answerWait = 100 * time.Millisecond
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if b, err := io.ReadAll(r.Body); string(b) != "begin" || err == nil {
		t.Errorf("the answer is %q, %v", b, err)
	}
	othersAreServed(t, url)
}

// slowWriter is the ResponseWriter of a client that reads nothing until it is released.
type slowWriter struct {
	http.ResponseWriter
	release chan struct{}
	got     int
}

func (w *slowWriter) WriteHeader(int)   {}
func (w *slowWriter) FlushError() error { return nil }
func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.release
	w.got += len(p)
	return len(p), nil
}

// TestResponseIsBounded writes a large answer for a client that does not read: WordPress
// waits for it only so long, and only when enough is kept.
func TestResponseIsBounded(t *testing.T) {
	for _, reads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &slowWriter{release: make(chan struct{})}
			quota := &transport.Quota{Max: maxClientBuffers}
			o := &response{ResponseWriter: w, quota: quota, progress: func(bool) {}}
			part := make([]byte, 32<<10)
			for range maxBuffered / len(part) {
				if _, err := o.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if reads {
				time.AfterFunc(time.Second, func() { close(w.release) })
			} else {
				time.AfterFunc(10*time.Minute, func() { close(w.release) })
			}
			_, err := o.Write(part)
			waited := time.Since(began)
			if reads && (err != nil || waited != time.Second) || !reads && (!errors.Is(err, errSlow) || waited < slowTime || waited > 2*time.Minute) {
				t.Errorf("a client that reads: %v; after %v: %v", reads, waited, err)
			}
			if used := quota.Used(); used > maxBuffered {
				t.Errorf("%d bytes are taken", used)
			}
			if failed := o.finish(); reads != (failed == nil) || reads && w.got != maxBuffered+len(part) || quota.Used() != 0 {
				t.Errorf("the end: %v, the client got %d bytes, %d are taken", failed, w.got, quota.Used())
			}
		})
	}
}

// slowReader is a body that arrives with pauses, which the read deadline may end.
type slowReader struct {
	parts []time.Duration // the pauses before the parts
	size  int             // of each part
	until time.Time
}

func (r *slowReader) Close() error                      { return nil }
func (r *slowReader) SetReadDeadline(t time.Time) error { r.until = t; return nil }
func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	if time.Now().Add(r.parts[0]).After(r.until) {
		time.Sleep(time.Until(r.until))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(r.parts[0])
	n := min(len(p), r.size)
	r.parts = r.parts[1:]
	return n, nil
}

// bodyWriter is the ResponseWriter of a request with such a body.
type bodyWriter struct {
	*httptest.ResponseRecorder
	*slowReader
}

// TestSlowBody checks how slowly a body may arrive: what arrived fast at first does not allow a
// long pause.
func TestSlowBody(t *testing.T) {
	fast, slow := make([]time.Duration, 1000), slices.Repeat([]time.Duration{time.Second}, 120)
	for name, c := range map[string]struct {
		parts []time.Duration
		size  int
		ends  time.Duration // 0: the body is received
	}{
		"a pause after much":       {append(fast, time.Hour), 32 << 10, bodyTime},
		"a short pause after much": {append(fast, bodyTime-time.Second), 32 << 10, 0},
		"nothing":                  {[]time.Duration{time.Hour}, 1, bodyTime},
		"fast enough for long":     {slow, bodyRate, 0},
		"a byte a second":          {slow, 1, bodyTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, err := New("http://127.0.0.1", limit.New(nil, nil), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			body := &slowReader{parts: c.parts, size: c.size}
			w := bodyWriter{httptest.NewRecorder(), body}
			ctx, cancel := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, "POST", "/", body)
			r.ContentLength = -1
			from, began := p.enter(r), time.Now()
			b, err := p.receive(w, r, from)
			took := time.Since(began)
			if c.ends == 0 {
				if err != nil {
					t.Errorf("%s: %v after %v", name, err, took)
				}
				_ = b.Close()
			} else if !errors.Is(err, errSlowBody) || took > c.ends+time.Second {
				t.Errorf("%s: %v after %v, want an error after %v", name, err, took, c.ends)
			}
			cancel() // as net/http does
			if err != nil {
				if p.refuse(w, r, err); w.Code != http.StatusRequestTimeout {
					t.Errorf("%s: status %d", name, w.Code)
				}
			}
			if p.files.Used() != 0 || p.memory.Used() != 0 {
				t.Errorf("%s: bytes are taken", name)
			}
		})
	}
}

// TestLongAnswer checks that a client which reads fast is not slow although WordPress takes long.
func TestLongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{release: make(chan struct{})}
		close(w.release)
		o := &response{ResponseWriter: w, quota: new(transport.Quota), progress: func(bool) {}}
		for range 100 {
			if _, err := o.Write(make([]byte, freeBuffer)); err != nil {
				t.Fatal(err)
			}
			if _, err := o.Write(make([]byte, freeBuffer)); err != nil { // may wait for the first part
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		if err := o.finish(); err != nil {
			t.Error(err)
		}
	})
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s: " + what)
		}
	}
}
