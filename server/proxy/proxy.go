// Package proxy passes requests on to the WordPress of a site. It serves
// heartbeatd in front of admin-ajax.php: what heartbeatd does not answer itself
// reaches WordPress unchanged, and answers are streamed.
package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// maxRequests is the maximum number of requests that one WordPress gets from
	// a node at a time.
	maxRequests = 64
	// slotWait is how long a request waits for one of these slots.
	slotWait = 5 * time.Second
	// headBytes is how much of a request is read before it gets a slot.
	headBytes = 64 << 10
	// answerWait is how long WordPress may take to start an answer: the usual
	// time limit of PHP.
	answerWait = 60 * time.Second
)

// Proxy is a reverse proxy to the WordPress of one site.
type Proxy struct {
	proxy *httputil.ReverseProxy
	slots *semaphore.Weighted
	wait  time.Duration // for a slot
}

// New returns a proxy to target, which is http://HOST or https://HOST. Peers in
// trusted are believed what their X-Forwarded headers say about the client; the
// headers of other peers are dropped.
func New(target string, trusted []netip.Prefix, log *slog.Logger) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("invalid upstream %q: it must be http://HOST or https://HOST without a path", target)
	}
	return &Proxy{
		slots: semaphore.NewWeighted(maxRequests), wait: slotWait,
		proxy: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
				r.Out.URL.RawQuery = r.In.URL.RawQuery // unchanged, also where net/url cannot parse it
				r.Out.Host = r.In.Host                 // WordPress compares it with its own address
				r.SetXForwarded()
				if isTrusted(trusted, r.In.RemoteAddr) {
					keepForwarded(r)
				}
			},
			Transport: &http.Transport{
				DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				ResponseHeaderTimeout: answerWait,
				MaxIdleConnsPerHost:   maxRequests,
				IdleConnTimeout:       30 * time.Second,
				DisableCompression:    true, // a compressed answer is passed on compressed
			},
			FlushInterval: -1,
			ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { writeError(w, r, err, log) },
			ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}, nil
}

func isTrusted(trusted []netip.Prefix, peer string) bool {
	addr, err := netip.ParseAddrPort(peer)
	if err != nil {
		return false
	}
	for _, p := range trusted {
		if p.Contains(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// keepForwarded keeps the X-Forwarded headers of a trusted web server, and adds
// that web server's own address.
func keepForwarded(r *httputil.ProxyRequest) {
	if before := r.In.Header.Get("X-Forwarded-For"); before != "" {
		r.Out.Header.Set("X-Forwarded-For", before+", "+r.Out.Header.Get("X-Forwarded-For"))
	}
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
		if value := r.In.Header.Get(name); value != "" {
			r.Out.Header.Set(name, value)
		}
	}
}

// writeError answers 504 if WordPress did not answer in time, and 502 if it
// cannot be reached: the web server then asks PHP itself.
func writeError(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	if errors.Is(err, context.Canceled) {
		return // the client closed the connection
	}
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	log.Warn("WordPress did not answer", "host", r.Host, "error", err)
	http.Error(w, "WordPress did not answer", status)
}

// Wait waits until WordPress works on no request, or ctx ends. The proxy then takes no more
// requests.
func (p *Proxy) Wait(ctx context.Context) { _ = p.slots.Acquire(ctx, maxRequests) }

// ServeHTTP passes a request on to WordPress as soon as a slot is free.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A client that sends its request slowly does not hold a slot meanwhile.
	head, err := io.ReadAll(io.LimitReader(r.Body, headBytes))
	if err != nil {
		http.Error(w, "the request body ended early", http.StatusBadRequest)
		return
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // an upload may take long
	_ = control.SetWriteDeadline(time.Time{})

	ctx, cancel := context.WithTimeout(r.Context(), p.wait)
	err = p.slots.Acquire(ctx, 1)
	cancel()
	if err != nil {
		// Not 503, which core's client takes for a lost connection. On 504 the
		// web server asks PHP itself.
		http.Error(w, "too many concurrent requests to WordPress", http.StatusGatewayTimeout)
		return
	}
	defer p.slots.Release(1)
	p.proxy.ServeHTTP(w, r)
}
