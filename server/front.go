package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxUpstream bounds the requests that one site's WordPress gets from
	// here at a time; more wait for upstreamWait and are then refused.
	maxUpstream  = 64
	upstreamWait = 5 * time.Second
	// headBytes of a request are taken before it gets a slot.
	headBytes = 64 << 10
	// usualBody is how long a beat is at most, mostly: memory for more is taken
	// when more has come.
	usualBody = 4 << 10
	// upstreamAnswer is how long WordPress may take to begin an answer: as long
	// as PHP usually may run.
	upstreamAnswer = 60 * time.Second
)

// upstream is the way to a site's WordPress.
type upstream struct {
	proxy *httputil.ReverseProxy
	slots *semaphore.Weighted
	wait  time.Duration // for a slot
}

// newUpstream proxies to target, which is http://host or https://host. What
// trusted peers say of the client is passed on, what others say is not.
func newUpstream(target string, trusted []netip.Prefix, log *slog.Logger) (*upstream, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("an upstream is http://host or https://host, not " + target)
	}
	return &upstream{
		slots: semaphore.NewWeighted(maxUpstream), wait: upstreamWait,
		proxy: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
				r.Out.URL.RawQuery = r.In.URL.RawQuery // as it came, even where Go finds fault with it
				r.Out.Host = r.In.Host                 // WordPress compares it with its own address
				r.SetXForwarded()
				if trusts(trusted, r.In.RemoteAddr) {
					forwardAsSaid(r)
				}
			},
			Transport: &http.Transport{
				DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				ResponseHeaderTimeout: upstreamAnswer,
				MaxIdleConnsPerHost:   maxUpstream,
				IdleConnTimeout:       30 * time.Second,
				DisableCompression:    true, // what WordPress sends goes on as it came
			},
			FlushInterval: -1,
			ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { upstreamFailed(w, r, err, log) },
			ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}, nil
}

func trusts(trusted []netip.Prefix, peer string) bool {
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

// forwardAsSaid keeps what a trusted web server says of the client, and adds
// the web server itself.
func forwardAsSaid(r *httputil.ProxyRequest) {
	if before := r.In.Header.Get("X-Forwarded-For"); before != "" {
		r.Out.Header.Set("X-Forwarded-For", before+", "+r.Out.Header.Get("X-Forwarded-For"))
	}
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
		if said := r.In.Header.Get(name); said != "" {
			r.Out.Header.Set(name, said)
		}
	}
}

// upstreamFailed answers 504 when WordPress was too slow and 502 when it was
// not there: the web server then asks PHP itself.
func upstreamFailed(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	if errors.Is(err, context.Canceled) {
		return // the client went away
	}
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	log.Warn("WordPress did not answer", "host", r.Host, "error", err)
	http.Error(w, "WordPress did not answer", status)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A client that is slow with its request keeps none of the slots meanwhile.
	head, err := io.ReadAll(io.LimitReader(r.Body, headBytes))
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // an upload may take its time

	ctx, cancel := context.WithTimeout(r.Context(), u.wait)
	err = u.slots.Acquire(ctx, 1)
	cancel()
	if err != nil {
		// Not 503: core's client takes that for a lost connection, and the web
		// server asks PHP itself on 504.
		http.Error(w, "too many requests to WordPress at a time", http.StatusGatewayTimeout)
		return
	}
	defer u.slots.Release(1)
	u.proxy.ServeHTTP(w, r)
}

// front answers admin-ajax.php in front of a WordPress: the beats that it can,
// and everything else WordPress itself, as it came.
func (s *Server) front(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(ticketHeader) != "" && r.Method == http.MethodPost && r.ContentLength >= 0 && r.ContentLength <= transport.MaxBody {
		var read bytes.Buffer
		read.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead)
		if _, err := read.ReadFrom(io.LimitReader(r.Body, transport.MaxBody+1)); err != nil {
			http.Error(w, "the request broke off", http.StatusBadRequest)
			return
		}
		body := read.Bytes()
		if tick := s.ticketBeat(r.Context(), r, body); tick.Status == http.StatusOK {
			transport.WriteTick(w, tick)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if st := s.siteOf(r); st != nil && st.upstream != nil {
		st.upstream.ServeHTTP(w, r)
		return
	}
	c := &Call{}
	c.Die(http.StatusBadRequest, "0")
	transport.WriteTick(w, c.tick())
}

// siteOf finds the site that a request's host belongs to: by its origins, or
// because there is no other.
func (s *Server) siteOf(r *http.Request) *site {
	var only *site
	for _, st := range s.sites {
		if slices.ContainsFunc(st.origins, func(o Origin) bool { return o.isHost(r.Host) }) {
			return st
		}
		only = st
	}
	if len(s.sites) == 1 {
		return only
	}
	return nil
}
