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
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// MaxBody is the maximum number of bytes of an answer.
const MaxBody = 1 << 20

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

// Transport returns a transport that connects to no link-local address.
func Transport() *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		DialContext: (&net.Dialer{Control: refuseLinkLocal}).DialContext,
	}
}

// Close closes idle connections.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Post sends a call with a key of the site, and reads the answer.
func (c *Caller) Post(ctx context.Context, siteID, secret, url string, body, answer any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	key, err := ticket.SignKey(siteID, secret, ticket.ForSite, time.Now())
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
