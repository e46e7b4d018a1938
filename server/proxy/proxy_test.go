package proxy

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/limit"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// start runs a proxy to a WordPress that is a handler, and returns it with its URL.
func start(t *testing.T, wordpress http.HandlerFunc) (*Proxy, string) {
	t.Helper()
	up := httptest.NewServer(wordpress)
	t.Cleanup(up.Close)
	return startTo(t, up.URL)
}

func startTo(t *testing.T, target string) (*Proxy, string) {
	t.Helper()
	p, err := New(target, limit.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, func(string) {}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	t.Cleanup(p.proxy.Transport.(*http.Transport).CloseIdleConnections)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return p, front.URL
}

func status(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}

// TestStreams checks that the first line of an answer arrives before the last one
// is written.
func TestStreams(t *testing.T) {
	release := make(chan struct{})
	_, url := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "last\n")
	})
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewScanner(r.Body)
	if !lines.Scan() || lines.Text() != "first" {
		t.Errorf("the first line is %q", lines.Text())
	}
	close(release)
	if !lines.Scan() || lines.Text() != "last" {
		t.Errorf("the last line is %q", lines.Text())
	}
}

// TestSlots checks that WordPress gets no more requests at a time than there are
// slots, and that each request gives its slot back.
func TestSlots(t *testing.T) {
	p, url := start(t, func(http.ResponseWriter, *http.Request) {})
	p.wait = 20 * time.Millisecond
	if err := p.slots.Acquire(t.Context(), maxRequests); err != nil {
		t.Fatal(err)
	}
	if got := status(t, url); got != http.StatusGatewayTimeout {
		t.Errorf("without a free slot: %d", got)
	}
	p.slots.Release(maxRequests)
	for range maxRequests + 1 {
		if got := status(t, url); got != http.StatusOK {
			t.Fatalf("with free slots: %d", got)
		}
	}
}

// TestUnreachable checks that WordPress's failures get 502 or 504, on which a web
// server asks PHP itself.
func TestUnreachable(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, url := startTo(t, gone.URL); status(t, url) != http.StatusBadGateway {
		t.Error("WordPress cannot be reached: want 502")
	}
	slow, url := start(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	slow.answerWait = 20 * time.Millisecond
	if got := status(t, url); got != http.StatusGatewayTimeout {
		t.Errorf("WordPress does not answer: %d, want 504", got)
	}
}

// TestInvalidUpstream checks which upstreams are refused.
func TestInvalidUpstream(t *testing.T) {
	for _, target := range []string{"ftp://x", "http://", "127.0.0.1:80", "http://x/path"} {
		if _, err := New(target, nil, slog.Default()); err == nil {
			t.Errorf("the upstream %q is accepted", target)
		}
	}
}
