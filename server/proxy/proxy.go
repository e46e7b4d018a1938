// Package proxy passes requests on to the WordPress of a site. It serves
// heartbeatd in front of admin-ajax.php: what heartbeatd does not answer itself
// reaches WordPress unchanged, and answers are streamed. WordPress gets a request when its
// body has been received, and does not wait for the client to read the answer. So a slow
// client does not hold one of the few requests that WordPress answers at once.
package proxy

import (
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
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxRequests is the maximum number of requests that one WordPress gets from
	// a node at a time.
	maxRequests = 64
	// maxClientRequests is the maximum number of those of one client.
	maxClientRequests = 32
	// slotWait is how long a request waits for one of these slots.
	slotWait = 5 * time.Second
	// answerWait is how long WordPress may take to start an answer, and to go on with it:
	// the usual time limit of PHP.
	answerWait = 60 * time.Second
	// upstreamRate is the least number of bytes a second of a body that WordPress reads.
	upstreamRate = 1 << 20
)

var (
	errIncomplete = errors.New("the request body ended early")
	errSlowBody   = errors.New("the request body came too slowly")
	errNoSlot     = errors.New("too many concurrent requests to WordPress")
	errStalled    = errors.New("WordPress has stopped answering")
)

// Proxy is a reverse proxy to the WordPress of one site.
type Proxy struct {
	proxy      *httputil.ReverseProxy
	slots      *semaphore.Weighted
	wait       time.Duration // for a slot
	answerWait time.Duration

	memory, files, buffers *transport.Quota // of the node

	clients *limit.Clients
	log     *slog.Logger

	mu     sync.Mutex // guards shares and their requests
	shares map[netip.Prefix]*share
}

// share is what the requests of one client use.
type share struct {
	address  netip.Prefix // invalid: clients whose address is not known
	requests int
	slots    *semaphore.Weighted
	files    transport.Quota
	buffers  transport.Quota
}

// enter returns the share of a request's client, until leave.
func (p *Proxy) enter(r *http.Request) *share {
	address, known := p.clients.AddressOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shares[address]
	if s == nil {
		s = &share{address: address, slots: semaphore.NewWeighted(maxRequests)}
		s.files.Max, s.files.Of = p.files.Max, p.files
		s.buffers.Max, s.buffers.Of = p.buffers.Max, p.buffers
		if known {
			s.slots = semaphore.NewWeighted(maxClientRequests)
			s.files.Max, s.buffers.Max = maxClientFiles, maxClientBuffers
		}
		p.shares[address] = s
	}
	s.requests++
	return s
}

func (p *Proxy) leave(s *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.requests--; s.requests == 0 {
		delete(p.shares, s.address)
	}
}

// New returns a proxy to target, which is http://HOST or https://HOST. The proxies of clients
// are believed what their X-Forwarded headers say about the client; the headers of other peers
// are dropped.
func New(target string, clients *limit.Clients, log *slog.Logger) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("invalid upstream %q: it must be http://HOST or https://HOST without a path", origin.WithoutUser(target))
	}
	return &Proxy{
		slots: semaphore.NewWeighted(maxRequests), wait: slotWait, answerWait: answerWait,
		memory: &clients.Requests.Memory, files: &clients.Requests.Files, buffers: &clients.Requests.Buffers,
		clients: clients, log: log, shares: make(map[netip.Prefix]*share), proxy: newReverseProxy(u, clients, log),
	}, nil
}

func newReverseProxy(u *url.URL, clients *limit.Clients, log *slog.Logger) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // unchanged, also where net/url cannot parse it
			r.Out.Host = r.In.Host                 // WordPress compares it with its own address
			r.SetXForwarded()
			if clients.IsProxy(r.In) {
				keepForwarded(r)
			}
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: maxRequests,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true, // a compressed answer is passed on compressed
		},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { writeError(w, r, err, log) },
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// keepForwarded keeps the X-Forwarded headers of a trusted web server, and adds
// that web server's own address.
func keepForwarded(r *httputil.ProxyRequest) {
	if list := slices.Clone(r.In.Header["X-Forwarded-For"]); len(list) > 0 {
		if peer := r.Out.Header.Get("X-Forwarded-For"); peer != "" { // the peer of a Unix socket has no address
			list = append(list, peer)
		}
		r.Out.Header.Set("X-Forwarded-For", strings.Join(list, ", "))
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
	stalled := errors.Is(context.Cause(r.Context()), errStalled)
	if errors.Is(err, context.Canceled) && !stalled {
		return // the client closed the connection
	}
	status := http.StatusBadGateway
	var timeout net.Error
	if stalled || errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	log.Warn("WordPress did not answer", "host", r.Host, "error", err)
	http.Error(w, "WordPress did not answer", status)
}

// Wait waits until WordPress works on no request, or ctx ends. The proxy then takes no more
// requests.
func (p *Proxy) Wait(ctx context.Context) { _ = p.slots.Acquire(ctx, maxRequests) }

// ServeHTTP passes a request on to WordPress as soon as its body is there and a slot is free.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := p.enter(r)
	defer p.leave(from)
	body, err := p.receive(w, r, from)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	defer func() { _ = body.Close() }()
	slots, err := p.acquire(r.Context(), from)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	stalled := time.AfterFunc(p.answerWait+time.Duration(body.size)*time.Second/upstreamRate, func() { cancel(errStalled) })
	defer stalled.Stop()
	out := &response{ResponseWriter: w, quota: &from.buffers, progress: func(working bool) {
		if stalled.Stop(); working {
			stalled.Reset(p.answerWait)
		}
	}}
	// Also when the proxy panics to end the connection, because WordPress or the client did.
	defer func() {
		if out.finish() != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	defer slots()
	r = r.WithContext(ctx)
	r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, body.size, nil
	if body.size > 0 {
		r.Body = io.NopCloser(body) // it may still be read when the proxy returns
	}
	r.Header.Del("Upgrade") // is for this connection only, as WordPress's is for another
	p.proxy.ServeHTTP(out, r)
}

// acquire waits for a slot of WordPress, of which each client has a share.
func (p *Proxy) acquire(ctx context.Context, from *share) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	if from.slots.Acquire(ctx, 1) != nil {
		return nil, errNoSlot
	}
	if p.slots.Acquire(ctx, 1) != nil {
		from.slots.Release(1)
		return nil, errNoSlot
	}
	return func() {
		p.slots.Release(1)
		from.slots.Release(1)
	}, nil
}

// refuse answers a request that WordPress does not get.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	transport.LimitWrite(w, 0)
	switch {
	case errors.Is(err, errSlowBody): // net/http has canceled the context
		http.Error(w, err.Error(), http.StatusRequestTimeout)
	case r.Context().Err() != nil: // the client closed the connection
	case errors.Is(err, errIncomplete):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, errNoSlot), errors.Is(err, errFull):
		// Not 503, which core's client takes for a lost connection. On 504 the
		// web server asks PHP itself.
		p.clients.Refused(limit.Upstream)
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
	default:
		p.log.Warn("the body of a request cannot be kept: check TMPDIR and its free space", "folder", os.TempDir(), "error", err)
		http.Error(w, "the request cannot be passed on", http.StatusBadGateway)
	}
}
