// Package balancer distributes requests among nodes in turn, as a load balancer without
// stickiness does. It is the transport of an http.Client, so that it needs no connections of
// its own.
package balancer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// checkEvery is how often /readyz of each node is asked for, and checkWait how long its answer
	// may take. After maxFailures without a success, or one answer that the node is not ready, the
	// node gets no requests until the next success. With a shorter time and two failures, all nodes
	// were taken off at once when thousands of pages kept the processors busy: answers were late.
	checkEvery  = time.Second
	checkWait   = 2 * time.Second
	maxFailures = 3
	// dialWait is how long a connection to a node may take before the next node is tried.
	dialWait = 2 * time.Second
	// idleConnections is the number of connections to a node that wait for a request.
	idleConnections = 64
)

// Backend is a node: its public and its admin address.
type Backend struct {
	Public, Admin string
}

// Balancer sends each request to the next node that is ready. The zero value is not usable: see New.
type Balancer struct {
	backends []*backend
	client   *http.Transport
	checks   sync.WaitGroup
	stop     context.CancelFunc

	mu   sync.Mutex // guards the following field, and all of backend below its own
	next int
}

type backend struct {
	Backend

	up       bool
	failures int
}

// New returns a balancer that checks its nodes until Close.
func New(backends ...Backend) *Balancer {
	b := &Balancer{client: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialWait}).DialContext,
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: 30 * time.Second,
	}}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	for _, address := range backends {
		node := &backend{Backend: address}
		b.backends = append(b.backends, node)
		b.checks.Go(func() { b.watch(ctx, node) })
	}
	return b
}

// Close ends the checks and all connections that are not in use.
func (b *Balancer) Close() {
	b.stop()
	b.checks.Wait()
	b.client.CloseIdleConnections()
}

func (b *Balancer) watch(ctx context.Context, node *backend) {
	own := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Timeout: checkWait, Transport: own}
	ticks := time.NewTicker(checkEvery)
	defer ticks.Stop()
	for {
		status := 0
		if r, err := client.Get("http://" + node.Admin + "/readyz"); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			status = r.StatusCode
		}
		b.checked(node, status)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// checked handles the status of a check, 0 if there was no answer.
func (b *Balancer) checked(node *backend, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case status == http.StatusOK:
		node.up, node.failures = true, 0
	case status != 0:
		node.up = false
	default:
		node.failures++
		node.up = node.up && node.failures < maxFailures
	}
}

// Ready returns how many nodes get requests.
func (b *Balancer) Ready() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range b.backends {
		if node.up {
			n++
		}
	}
	return n
}

// pick returns the nodes to try for a request, the next in turn first.
func (b *Balancer) pick() (nodes []Backend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	for i := range b.backends {
		if node := b.backends[(b.next+i)%len(b.backends)]; node.up {
			nodes = append(nodes, node.Backend)
		}
	}
	return nodes
}

// The hosts of requests: the client names no node.
const (
	Public = "public"
	Admin  = "admin"
)

// RoundTrip implements http.RoundTripper. A request that reaches no node is answered with 502, or
// with 503 if none is ready.
func (b *Balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	nodes := b.pick()
	for _, node := range nodes {
		again := r.Clone(r.Context())
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			again.Body = body
		}
		again.URL.Host = node.Public
		if r.URL.Host == Admin {
			again.URL.Host = node.Admin
		}
		answer, err := b.client.RoundTrip(again)
		var refused *net.OpError
		if err == nil || !errors.As(err, &refused) || refused.Op != "dial" {
			return answer, err
		}
	}
	status := http.StatusBadGateway
	if len(nodes) == 0 {
		status = http.StatusServiceUnavailable
	}
	text := []byte("no node can be reached\n")
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}, nil
}

// WaitReady waits until n nodes get requests.
func (b *Balancer) WaitReady(ctx context.Context, n int) error {
	for b.Ready() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes are ready: %w", b.Ready(), n, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
