package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
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
	if used := p.buffers.Used(); used > maxBuffers {
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
			quota := &transport.Quota{Max: maxBuffers}
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

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s: " + what)
		}
	}
}
