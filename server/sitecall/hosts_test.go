package sitecall

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestAnsweredOrigin checks that a site whose origin is not configured has the one at which it has
// answered first, and that the first other one is logged.
func TestAnsweredOrigin(t *testing.T) {
	var h Hosts
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	allows := func(url string, want bool) {
		t.Helper()
		if got := h.Allows("rows", url, nil, true, "blog", log); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
	allows("http://169.254.169.254/latest", false)
	allows("https://old.example/wp-json/", true)
	allows("https://example.org/wp-json/", true) // no call of the old one was answered
	h.Answered("https://Example.org:443/?rest_route=/heartbeatd/v1/presence/rows")
	h.Answered("https://old.example/wp-json/") // a late answer
	for url, want := range map[string]bool{
		"":                                      true,
		"https://example.org/wp-json/":          true,
		"https://Example.org:443/?rest_route=/": true,
		"http://example.org/wp-json/":           false,
		"https://old.example/wp-json/":          false,
		"https://10.0.0.7/wp-json/":             false,
	} {
		allows(url, want)
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

// TestPrivateAddress checks that a site of which the operator knows only the name cannot choose a
// server of the operator: whatever its name resolves to.
func TestPrivateAddress(t *testing.T) {
	c := New(time.Second)
	defer c.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	resolves := "http://localhost:" + port
	var answer struct{}
	if err := c.Post(t.Context(), "blog", "secret", time.Now(), resolves, answer, &answer); err != nil {
		t.Errorf("of the operator: %v", err)
	}
	if err := c.Post(PublicOnly(t.Context()), "blog", "secret", time.Now(), resolves, answer, &answer); !errors.Is(err, errPrivate) {
		t.Errorf("of a tenant: %v", err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:10.0.0.1]:80": true, "192.168.1.1:80": true, "172.16.0.1:80": true, "[fd00::1]:80": true, "100.64.0.1:80": true,
		"0.0.0.0:80": true, "[::]:80": true, "169.254.169.254:80": true, "93.184.215.14:443": false, "[2606:2800::1]:443": false,
	} {
		if err := refusePrivate("tcp", address, nil); (err != nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	for url, want := range map[string]bool{
		"https://shop.example/x": true, "http://127.0.0.1:8000/": false, "http://localhost/": false, "http://[::1]/": false, "http://wordpress:8000/x": false, "http://wordpress/x": true,
	} {
		if got := ChoosesAddress(url, "http://wordpress:8000"); got != want {
			t.Errorf("the owner of %s chooses its address: %v", url, got)
		}
	}
}

// TestKeyOfCall checks that a key names the URL that is called.
func TestKeyOfCall(t *testing.T) {
	var key ticket.KeyClaims
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := jwt.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &key, func(*jwt.Token) (any, error) { return []byte("secret"), nil })
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	c := New(time.Second)
	defer c.Close()
	url := server.URL + "/wp-json/heartbeatd/v1/presence/rows"
	var answer struct{}
	if err := c.Post(t.Context(), "blog", "secret", time.Now(), url, answer, &answer); err != nil || key.URL != url {
		t.Errorf("the key is for %q: %v", key.URL, err)
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
