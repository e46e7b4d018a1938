package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
)

// TestKeepForwarded checks what WordPress learns of the client of a trusted web server.
func TestKeepForwarded(t *testing.T) {
	for _, c := range []struct {
		name, peer string
		before     []string
		want       string
	}{
		{"an address", "192.0.2.1:80", []string{"203.0.113.7"}, "203.0.113.7, 192.0.2.1"},
		{"two lines", "192.0.2.1:80", []string{"203.0.113.7", "198.51.100.1"}, "203.0.113.7, 198.51.100.1, 192.0.2.1"},
		{"a Unix socket", "@", []string{"203.0.113.7"}, "203.0.113.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := httptest.NewRequest(http.MethodPost, "/", nil)
			in.RemoteAddr, in.Header["X-Forwarded-For"] = c.peer, c.before
			r := &httputil.ProxyRequest{In: in, Out: in.Clone(t.Context())}
			r.Out.Header.Del("X-Forwarded-For")
			r.SetXForwarded()
			keepForwarded(r)
			if got := r.Out.Header.Get("X-Forwarded-For"); got != c.want {
				t.Errorf("WordPress gets %q, want %q", got, c.want)
			}
		})
	}
}
