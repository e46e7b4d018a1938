// Package sitecall calls the REST routes of heartbeatd's WordPress plugin.
package sitecall

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// MaxBody is the maximum number of bytes of an answer.
const MaxBody = 1 << 20

// Access is how sites are called.
type Access struct {
	// Now returns the time by the clock of a site's WordPress.
	Now func(siteID string) time.Time
	// Secret returns the secret with which calls of a site are signed.
	Secret func(siteID string) string
	// CheckURL returns an error if a URL that a ticket names must not be called.
	CheckURL func(siteID, url string) error
	// Answered is called when a URL has answered a call.
	Answered func(siteID, url string)
	// PublicOnly reports whether a URL of a site must not lead to a private address.
	PublicOnly func(siteID, url string) bool
}

// Caller calls sites.
type Caller struct{ client *http.Client }

// New returns a Caller whose calls may take so long.
func New(timeout time.Duration) *Caller {
	return &Caller{&http.Client{
		Timeout:       timeout,
		Transport:     Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // keys are not sent to another server
	}}
}

// transport connects to no link-local address, and for calls with PublicOnly to no private one.
type transport struct{ public, any *http.Transport }

// Transport returns a transport that connects to no link-local address, and to no private one if
// the context of the request is one of PublicOnly.
func Transport() http.RoundTripper {
	return transport{public: newTransport(refusePrivate), any: newTransport(refuseLinkLocal)}
}

func newTransport(control func(network, address string, c syscall.RawConn) error) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Control: control}).DialContext,
	}
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(publicOnly{}) != nil {
		return t.public.RoundTrip(r)
	}
	return t.any.RoundTrip(r)
}

// CloseIdleConnections is called by http.Client.
func (t transport) CloseIdleConnections() {
	t.public.CloseIdleConnections()
	t.any.CloseIdleConnections()
}

type publicOnly struct{}

// PublicOnly returns a context for calls that must not go to a private address.
func PublicOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, publicOnly{}, true)
}

// Close closes idle connections.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Post sends a call with a key of the site that is good for this URL, and reads the answer. now is the
// time by the clock of WordPress.
func (c *Caller) Post(ctx context.Context, siteID, secret string, now time.Time, url string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	key, err := ticket.SignCall(siteID, secret, url, now)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	b, err = io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("WordPress answers with %s", response.Status)
	case len(b) > MaxBody:
		return fmt.Errorf("WordPress answers with more than %d bytes", MaxBody)
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("decoding the answer of WordPress: %w", err)
	}
	return nil
}
