package sitecall

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/origin"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestFirstOrigin checks that a site whose origin is not configured has one origin, and that the
// first other one is logged.
func TestFirstOrigin(t *testing.T) {
	var h Hosts
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, c := range []struct {
		url  string
		want bool
	}{
		{"", true},
		{"http://169.254.169.254/latest", false}, // takes no origin
		{"https://example.org/wp-json/", true},
		{"https://Example.org:443/?rest_route=/", true},
		{"http://example.org/wp-json/", false},
		{"https://10.0.0.7/wp-json/", false},
		{"https://example.org/", true},
	} {
		if got := h.Allows("rows", c.url, nil, true, "blog", log); got != c.want {
			t.Errorf("%s: %v", c.url, got)
		}
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("logged %s", out.String())
	}
	if err := h.Check("https://evil.test/", nil, true); err == nil || !strings.Contains(err.Error(), "--site-origin") {
		t.Error(err)
	}
}

// TestKnownOrigins checks that the scheme of a known origin counts.
func TestKnownOrigins(t *testing.T) {
	var h Hosts
	known, err := origin.ParseAll([]string{"https://example.org", "http://127.0.0.1:8000"})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]bool{
		"https://example.org/x": true, "http://example.org/x": false, "http://127.0.0.1:8000/": true,
		"https://127.0.0.1:8000/": false, "http://127.0.0.1:8001/": false,
	} {
		if err := h.Check(url, known, false); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestLinkLocal checks that no link-local address is connected to, however the URL writes it.
func TestLinkLocal(t *testing.T) {
	var h Hosts
	c := New(time.Second)
	defer c.Close()
	for _, url := range []string{"http://169.254.169.254/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]:80/"} {
		if err := h.Check(url, nil, true); !errors.Is(err, errLinkLocal) {
			t.Errorf("%s: %v", url, err)
		}
		r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		answer, err := c.client.Do(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, errLinkLocal) {
			t.Errorf("call of %s: %v", url, err)
		}
	}
}
