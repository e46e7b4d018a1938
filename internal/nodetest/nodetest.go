// Package nodetest has what the tests of several packages need to run a node and to call it.
package nodetest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/apidoc"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// OpenBroker opens a broker, and closes it at the end of the test. The TTL is a minute unless
// c has another one.
func OpenBroker(t testing.TB, c broker.Config) *broker.Broker {
	t.Helper()
	if c.TTL == 0 {
		c.TTL = time.Minute
	}
	b, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("closing the broker: %v", err)
		}
	})
	return b
}

// Node is a server.Server, which this package does not import: its own tests use it.
type Node interface {
	Public() http.Handler
	Admin() http.Handler
	Lot() *parking.Lot
	Close()
}

// Serve serves a node on free ports, and closes it at the end of the test.
func Serve(t testing.TB, n Node) (public, admin *httptest.Server) {
	public, admin = httptest.NewServer(n.Public()), httptest.NewServer(n.Admin())
	var returned sync.WaitGroup
	returned.Go(func() { _ = public.Config.Serve(n.Lot()) })
	t.Cleanup(func() {
		public.CloseClientConnections()
		n.Close()
		_ = n.Lot().Close()
		returned.Wait()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		n.Lot().Wait(ended)
		public.Close()
		admin.Close()
	})
	return public, admin
}

// Send sends a request, and returns the response and its body. A redirect is not followed. What
// the API answers must be as docs/openapi.yaml says.
func Send(t testing.TB, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		apidoc.Response(t, response, b)
	}
	return response, string(b)
}

// SignKey signs a key of a site as WordPress does. The key may be invalid.
func SignKey(t testing.TB, site, secret string, issued time.Time, life time.Duration, audience ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, ticket.KeyClaims{IssuedAt: ticket.NewTime(issued), RegisteredClaims: jwt.RegisteredClaims{
		Audience: audience, ExpiresAt: jwt.NewNumericDate(issued.Add(life)),
	}})
	token.Header["kid"] = site
	key, err := token.SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
