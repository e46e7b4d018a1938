package doctor

import (
	"bufio"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// overTLS serves a site over HTTP/2, with WebSockets by extended CONNECT: TestMain has Go's server
// offer them.
func overTLS(t *testing.T, site http.Handler, onConnect http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket" {
			onConnect(w, r)
			return
		}
		site.ServeHTTP(w, r)
	}))
	web.EnableHTTP2, web.Config.ErrorLog = true, quiet()
	web.StartTLS()
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return web, roots
}

// upgrades passes the WebSocket of a stream of HTTP/2 on to heartbeatd over HTTP/1.1.
func upgrades(t *testing.T, n *node) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := net.Dial("tcp", n.public)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		out := r.Clone(r.Context())
		out.Method, out.Body, out.ContentLength = http.MethodGet, nil, 0
		out.Header.Del(":protocol")
		out.Header.Set("Connection", "Upgrade")
		out.Header.Set("Upgrade", "websocket")
		out.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		if err := out.Write(c); err != nil {
			t.Error(err)
			return
		}
		back := bufio.NewReader(c)
		answer, err := http.ReadResponse(back, out)
		if err != nil {
			t.Error(err)
			return
		}
		if answer.StatusCode != http.StatusSwitchingProtocols {
			w.WriteHeader(answer.StatusCode)
			return
		}
		w.Header().Set("Sec-WebSocket-Protocol", answer.Header.Get("Sec-WebSocket-Protocol"))
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		var both sync.WaitGroup
		defer both.Wait()
		both.Go(func() { _, _ = io.Copy(c, r.Body); _ = c.Close() })
		_, _ = io.Copy(flushed{w}, back)
	}
}

// flushed sends what is written at once.
type flushed struct{ http.ResponseWriter }

func (f flushed) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// TestUnreachableOverHTTP2 checks that a site that cannot be reached at all is not said to offer WebSockets
// over HTTP/2.
func TestUnreachableOverHTTP2(t *testing.T) {
	n := start(t)
	web, _ := overTLS(t, handler(n), upgrades(t, n))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	for name, site := range map[string]string{"unknown certificate": web.URL, "nobody listens": "https://" + l.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			found := (&deployment{site, n.public, "http://" + n.admin}).examine(t, func(c *Config) { c.roots = x509.NewCertPool() })
			want(t, found, "socket", Failed, "")
			want(t, found, "http2", Skipped, "none opens over HTTP/1.1")
		})
	}
}

// TestWebSocketsOverHTTP2 checks web servers that offer WebSockets over HTTP/2.
func TestWebSocketsOverHTTP2(t *testing.T) {
	n := start(t)
	site := handler(n)
	for name, c := range map[string]struct {
		onConnect    http.HandlerFunc
		result, text string
	}{
		"passed on":    {upgrades(t, n), OK, "over HTTP/2 as well"},
		"refused":      {respond(405, "text/html", ""), Warning, "405"},
		"not answered": {func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, Warning, "Frames do not pass"},
	} {
		t.Run(name, func(t *testing.T) {
			web, roots := overTLS(t, site, c.onConnect)
			found := (&deployment{web.URL, n.public, "http://" + n.admin}).examine(t, func(c *Config) { c.roots = roots })
			want(t, found, "http2", c.result, c.text)
			if f := found["http2"]; (f.Name == "no-http2-websocket") != (c.result == Warning) {
				t.Errorf("named %q", f.Name)
			}
			if failed := failures(found); len(failed) > 0 {
				t.Errorf("failed: %v", failed)
			}
		})
	}
	plain := httptest.NewTLSServer(site)
	t.Cleanup(func() { plain.CloseClientConnections(); plain.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(plain.Certificate())
	found := (&deployment{plain.URL, n.public, "http://" + n.admin}).examine(t, func(c *Config) { c.roots = roots })
	want(t, found, "http2", OK, "does not offer them over HTTP/2")
}
