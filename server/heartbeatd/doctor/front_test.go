package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// only answers the requests that match, and passes the others on.
func only(matches func(*http.Request) bool, answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if matches(r) {
				answer(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func under(prefix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, prefix) }
}

// hasForeignCookie matches requests of a browser that is also logged in to another
// WordPress on the host.
func hasForeignCookie(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Cookie"), "wordpress_logged_in_")
}

// isPosted matches beats to WordPress.
func isPosted(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/wp-admin/")
}

// respond answers with a status and a text.
func respond(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		if status/100 == 3 {
			w.Header().Set("Location", text)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// with adds a header to an answer.
func with(name, value string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		answer(w, r)
	}
}

// changes changes every request to heartbeatd before it is passed on.
func changes(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/heartbeat/") {
				change(r)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// headers adds a header to every answer of the web server.
func headers(name, value string) func(http.Handler) http.Handler {
	return rewritten(func(h http.Header) { h.Set(name, value) })
}

// both breaks a web server in two ways.
func both(inner, outer func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return outer(inner(next)) }
}

// tick answers as WordPress does to a visitor's beat, with PHP's clock set wrong.
func tick(ahead time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"wp-auth-check":false,"server_time":%d}`, time.Now().Add(ahead).Unix())
	}
}

// isFormHello and isJSONHello match hellos of long-poll. Pages send a form.
func isFormHello(r *http.Request) bool {
	return r.URL.Path == "/heartbeat/open" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

func isJSONHello(r *http.Request) bool {
	return r.URL.Path == "/heartbeat/open" && r.Header.Get("Content-Type") == "application/json"
}

// isProgram matches requests that no script of a page sends.
func isProgram(r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/heartbeat/") || r.Header.Get("Upgrade") != "" {
		return false
	}
	isKnown := strings.HasPrefix(r.UserAgent(), "Mozilla/5.0 (") && r.Header.Get("Accept") != "" && r.Header.Get("Accept-Language") != ""
	return !isKnown || r.ContentLength > 0 && r.Header.Get("Content-Type") == ""
}

// announced writes the client's address before the first request, and together with it: the server
// answers at once.
type announced struct {
	net.Conn
	begun bool
}

func (c *announced) Write(b []byte) (int, error) {
	if c.begun {
		return c.Conn.Write(b)
	}
	c.begun = true
	const line = "PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n"
	n, err := c.Conn.Write(append([]byte(line), b...))
	return max(0, n-len(line)), err
}

// throughProxyProtocol passes requests on as a load balancer that speaks the PROXY protocol.
func throughProxyProtocol(n *node) http.HandlerFunc {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &announced{Conn: c}, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: n.public})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, ErrorLog: quiet(),
	}
	return proxy.ServeHTTP
}

func rewritten(change func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(&headerWriter{w, change}, r)
		})
	}
}

type headerWriter struct {
	http.ResponseWriter
	change func(http.Header)
}

// Unwrap has the web server pass on event streams as they are written.
func (w *headerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *headerWriter) WriteHeader(status int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(b []byte) (int, error) {
	w.change(w.Header())
	return w.ResponseWriter.Write(b)
}
