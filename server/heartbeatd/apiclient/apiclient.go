// Package apiclient calls the API of a heartbeatd. Its errors say what to do.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/secretfile"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/terminal"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// timeout is how long a call may take.
	timeout = 10 * time.Second
	// maxAnswer is the maximum number of bytes of an answer that are read.
	maxAnswer = 1 << 20
	// DefaultURL is the URL of the admin listener unless --admin-listen is set.
	DefaultURL = "http://127.0.0.1:8081"
)

// Client calls the API of one site. Its fields are flags of the commands.
type Client struct {
	API        string `default:"http://127.0.0.1:8081" help:"URL of heartbeatd's admin listener, or unix:PATH of its Unix socket." placeholder:"URL"`
	SiteID     string `default:"default" help:"ID of the site."`
	SiteSecret string `help:"Secret of the site. It signs the API key." placeholder:"SECRET"`
	APIKey     string `help:"API key of the operator, in place of the site's secret." placeholder:"KEY"`

	SiteSecretFile secretfile.Content `help:"File with the secret of the site, in place of --site-secret." placeholder:"FILE"`
	APIKeyFile     secretfile.Content `help:"File with the API key, in place of --api-key." placeholder:"FILE"`
}

// AfterApply takes the secret and the key from their files. The parser calls it.
func (c *Client) AfterApply() error {
	return errors.Join(c.SiteSecretFile.Set(&c.SiteSecret, "site-secret"), c.APIKeyFile.Set(&c.APIKey, "api-key"))
}

// Error is a call that failed.
type Error struct {
	Status int    // of the answer; 0: there was none
	Code   string // of the API's error; empty: the answer is not the API's
	Reason string // what went wrong
	Remedy string // what to do about it
	Date   string // the answer's Date header
}

func (e *Error) Error() string { return e.Reason + ": " + e.Remedy }

// request builds a call. If both keys are known it uses the site's, which has fewer
// rights. now is by the clock of WordPress, which may differ from this machine's.
func (c *Client) request(ctx context.Context, method, path string, in any, now time.Time) (*http.Request, error) {
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	key := c.APIKey
	switch {
	case c.SiteSecret != "":
		if key, err = ticket.SignKey(c.SiteID, c.SiteSecret, ticket.ForAPI, now); err != nil {
			return nil, err
		}
	case c.APIKey == "":
		return nil, errors.New("--site-secret or --api-key is required: the secret is that of heartbeatd's --site-secret and of HEARTBEATD_SECRET in wp-config.php")
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	address := root + "/api/v1" + path + "?site=" + url.QueryEscape(c.SiteID)
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// Call calls the API and decodes the answer into out. now is the time by
// WordPress's clock.
func (c *Client) Call(ctx context.Context, method, path string, in, out any, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := c.request(ctx, method, path, in, now)
	if err != nil {
		return err
	}
	answer, err := NewHTTPClient(c.transport()).Do(r)
	if err != nil {
		return &Error{Reason: "no answer from " + c.Address() + ": " + Cause(err), Remedy: "check that heartbeatd runs and that --api is the URL of its --admin-listen"}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Error{Reason: "the answer of " + c.Address() + " ended early: " + Cause(err), Remedy: "try again"}
	}
	if answer.StatusCode/100 == 2 && json.Unmarshal(body, out) == nil {
		return nil
	}
	return c.failure(answer, body)
}

// Address returns --api for messages: without a password.
func (c *Client) Address() string { return origin.WithoutUser(c.API) }

// unixPath returns the path of the Unix socket of the admin listener, if it has one.
func (c *Client) unixPath() (path string, isUnix bool) { return strings.CutPrefix(c.API, "unix:") }

// Plain returns the URL of the admin listener, and a client for requests without a key.
func (c *Client) Plain() (root string, client *http.Client, err error) {
	root, err = c.root()
	return root, NewHTTPClient(c.transport()), err
}

// root returns the URL of the admin listener. Over a Unix socket its host does not matter.
func (c *Client) root() (string, error) {
	if _, isUnix := c.unixPath(); isUnix {
		return "http://localhost", nil
	}
	base, err := url.Parse(c.API)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return "", fmt.Errorf("invalid --api %q: it must be a URL such as %s", c.Address(), DefaultURL)
	}
	return strings.TrimSuffix(c.API, "/"), nil
}

// transport returns how calls reach the admin listener.
func (c *Client) transport() http.RoundTripper {
	path, isUnix := c.unixPath()
	if !isUnix {
		return nil // the usual one
	}
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
}

// failure reads an error of the API. It also recognizes answers that are not the
// API's.
func (c *Client) failure(answer *http.Response, body []byte) *Error {
	var failed struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	e := &Error{Status: answer.StatusCode, Date: answer.Header.Get("Date")}
	if json.Unmarshal(body, &failed) != nil || failed.Code == "" {
		e.Reason = fmt.Sprintf("the server at %s is not heartbeatd's API (%s)", c.Address(), answer.Status)
		e.Remedy = "set --api to the URL of heartbeatd's --admin-listen, not of the site"
		return e
	}
	e.Code, e.Reason = failed.Code, terminal.Printable(failed.Message)
	switch e.Status {
	case 401:
		e.Remedy = "use the --site-id and --site-secret of heartbeatd, and keep the clocks less than a minute apart"
		if c.SiteSecret == "" {
			e.Remedy = "use the --api-key of heartbeatd"
		}
	case 403:
		e.Remedy = "set --site-id to the site that has this secret"
	case 413:
		e.Remedy = "send less data, and let the page fetch the rest"
	case 429:
		e.Remedy = "wait before the next call"
	case 503:
		e.Remedy = "NATS is unavailable, or heartbeatd is stopping: see its log, and try again"
	default:
		e.Remedy = "correct the request (" + terminal.Printable(failed.Code) + ")"
	}
	return e
}

// NewHTTPClient returns a client that does not follow redirects: a key must not be
// sent to another server.
func NewHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Cause returns the message of an error of an HTTP client without the URL.
func Cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
