package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// apiWait is how long a call to heartbeatd's API may take.
	apiWait = 10 * time.Second
	// maxAnswer is the most bytes of an answer that are read.
	maxAnswer = 1 << 20
	// defaultAPI is where heartbeatd's admin listener is when nobody says.
	defaultAPI = "http://127.0.0.1:8081"
)

// apiFlags say where heartbeatd's API is, and with which key.
type apiFlags struct {
	API        string `default:"http://127.0.0.1:8081" help:"heartbeatd's admin listener." placeholder:"URL"`
	SiteID     string `default:"default" help:"The site's id."`
	SiteSecret string `help:"The site's secret, which signs the key." placeholder:"SECRET"`
	APIKey     string `help:"The operator's key, instead of the site's secret." placeholder:"KEY"`
}

// apiError is a call that failed; status is 0 when there was no answer.
type apiError struct {
	status int
	reason string // what went wrong
	mend   string // what to do about it
	date   string // when the answer was made, by the clock there
}

func (e *apiError) Error() string { return e.reason + ": " + e.mend }

// signKey makes the site's key of the next minute, by a clock that may be
// another machine's. It is good for that site only, and never the secret itself.
func (f *apiFlags) signKey(now time.Time) (string, error) {
	key := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{"api"}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
	})
	key.Header["kid"] = f.SiteID
	return key.SignedString([]byte(f.SiteSecret))
}

// request builds a call. With both at hand the site's key is taken: it can do less.
func (f *apiFlags) request(ctx context.Context, method, path string, in any, now time.Time) (*http.Request, error) {
	base, err := url.Parse(f.API)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("--api %s: it must be an address as %s", f.API, defaultAPI)
	}
	key := f.APIKey
	switch {
	case f.SiteSecret != "":
		if key, err = f.signKey(now); err != nil {
			return nil, err
		}
	case f.APIKey == "":
		return nil, errors.New("--site-secret or --api-key is needed: the secret is that of heartbeatd's --site-secret and of HEARTBEATD_SECRET in wp-config.php")
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	address := strings.TrimSuffix(f.API, "/") + "/api/v1" + path + "?site=" + url.QueryEscape(f.SiteID)
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// call asks heartbeatd's API, and puts the answer into out.
func (f *apiFlags) call(ctx context.Context, method, path string, in, out any, now time.Time) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	r, err := f.request(ctx, method, path, in, now)
	if err != nil {
		return nil, err
	}
	answer, err := noRedirects(nil).Do(r)
	if err != nil {
		return nil, &apiError{reason: "nothing answers at " + f.API + ": " + plain(err), mend: "is heartbeatd running, and is that its --admin-listen? (--api says where it is)"}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, &apiError{reason: "the answer of " + f.API + " broke off: " + plain(err), mend: "try again"}
	}
	if answer.StatusCode/100 == 2 && json.Unmarshal(body, out) == nil {
		return answer.Header, nil
	}
	return nil, f.failure(answer, body)
}

// failure reads an error of the API, or sees that what answered is not the API.
func (f *apiFlags) failure(answer *http.Response, body []byte) *apiError {
	var said struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	e := &apiError{status: answer.StatusCode, date: answer.Header.Get("Date")}
	if json.Unmarshal(body, &said) != nil || said.Code == "" {
		e.reason = fmt.Sprintf("what answers at %s is not heartbeatd's API (%s)", f.API, answer.Status)
		e.mend = "--api is the address of heartbeatd's --admin-listen, not of the site"
		return e
	}
	e.reason = printable(said.Message)
	switch e.status {
	case 401:
		e.mend = "the id and the secret must be heartbeatd's --site-id and --site-secret, and the clocks less than a minute apart"
		if f.SiteSecret == "" {
			e.mend = "--api-key must be heartbeatd's own"
		}
	case 403:
		e.mend = "--site-id must be the site whose secret this is"
	case 413:
		e.mend = "send less, and let the page fetch the rest"
	case 429:
		e.mend = "wait a little"
	case 503:
		e.mend = "heartbeatd's NATS is away, or it is stopping: its log says more; try again"
	default:
		e.mend = "mend what was asked for (" + printable(said.Code) + ")"
	}
	return e
}

// noRedirects is a client that hands a redirect back: a key must not follow it.
func noRedirects(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// plain is an error without the address, which whoever says it has said already.
func plain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
