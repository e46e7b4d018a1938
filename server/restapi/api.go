// Package restapi is heartbeatd's API for back ends, at /api/v1 of the admin listener.
// It reaches pages, revokes tickets, tells the node's status, and lists, sets and
// removes presence.
package restapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// Path is where the API is.
const Path = "/api/v1"

// maxRequest is the maximum number of bytes of a request's body.
const maxRequest = 128 << 10

// Node is the node that the API runs on.
type Node struct {
	Broker *broker.Broker
	// Keyfunc returns the function by which a JWT parser finds the secrets of the
	// site that a key names. It sets siteID to that site.
	Keyfunc func(siteID *string) jwt.Keyfunc
	// KeySigned takes the time at which a site's WordPress has signed a key that has arrived.
	KeySigned func(siteID string, at time.Time)
	// Now returns the time by the clock of a site's WordPress.
	Now func(siteID string) time.Time
	// Network returns the ID of the first site of a site's network.
	Network func(siteID string) string
	// HasSite reports whether the node serves a site. It returns false for one more
	// site of a network than the node can serve.
	HasSite func(siteID string) bool
	// View returns the live view of a site that HasSite knows, with its first
	// snapshot unless ctx ends before.
	View func(ctx context.Context, siteID string) (*broker.View, error)
	// PutLock returns the lock under which an entry of a site is checked and written.
	PutLock func(siteID string) sync.Locker
	// Renews reports whether this node renews an entry for the connection of a
	// user's page. hasSession is false if the page has no session here.
	Renews func(k presence.Key, user int64) (renews, hasSession bool)
	// Sessions returns the number of a site's sessions.
	Sessions func(siteID string) int
	// PHPBeats returns how many beats of a site PHP answered because of callbacks of plugins, by
	// callback, and in which time before now they are counted.
	PHPBeats func(siteID string) (map[string]int, time.Duration)
	// NativeBeats returns how many beats of a site nodes answered, by date in UTC.
	NativeBeats func(siteID string) map[string]int
	// AdmitDeposit returns why a site may not have one more deposit, or sets until when NATS
	// keeps it.
	AdmitDeposit func(siteID string, d *message.Deposit) error
	// Readiness returns whether traffic may come to the node.
	Readiness func() readiness.State
}

// api is the API of one node.
type api struct {
	Node
	isOperator func(*http.Request) bool
	revoked    networkRevocations
}

// New returns the handler of the API. isOperator reports whether a request may be about every site,
// without a key of the site.
func New(n Node, isOperator func(*http.Request) bool) http.Handler {
	a := &api{Node: n, isOperator: isOperator}
	r := mux.NewRouter()
	sub := r.PathPrefix(Path).Subrouter()
	sub.Methods("POST").Path("/push").HandlerFunc(a.handle(a.push))
	sub.Methods("POST").Path("/nudge").HandlerFunc(a.handle(a.nudge))
	sub.Methods("POST").Path("/answer").HandlerFunc(a.handle(a.answer))
	sub.Methods("POST").Path("/cron").HandlerFunc(a.handle(a.cron))
	sub.Methods("POST").Path("/revoke").HandlerFunc(a.handle(a.revoke))
	sub.Methods("GET").Path("/status").HandlerFunc(a.handle(a.status))
	sub.Methods("POST").Path("/presence/changed").HandlerFunc(a.handle(a.roomsChanged))
	sub.Methods("GET").Path("/presence").HandlerFunc(a.handlePresence(a.listPresence))
	sub.Methods("PUT").Path("/presence").HandlerFunc(a.handlePresence(a.setPresence))
	sub.Methods("DELETE").Path("/presence").HandlerFunc(a.handlePresence(a.removePresence))
	sub.PathPrefix("/").HandlerFunc(notFound)
	return r
}

// notFound answers requests that the API does not have. The plugin may be newer than
// this heartbeatd: the JSON of the error shows it that heartbeatd answers.
func notFound(w http.ResponseWriter, r *http.Request) {
	write(w, 0, nil, &apiError{404, "not_found", "this version of heartbeatd has no such path, or not with the method " + r.Method})
}

// apiError is the answer to a request that fails.
type apiError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func badRequest(format string, args ...any) *apiError {
	return &apiError{400, "bad_request", fmt.Sprintf(format, args...)}
}

// call is one request, other than to /presence.
type call struct {
	request
	site   string
	issued time.Time // when the key was issued, by WordPress's clock; the operator's was just issued
}

// handle reads and checks a request, and writes what answer returns.
func (a *api) handle(answer func(context.Context, *call) (status int, body any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := a.read(w, r)
		if err != nil {
			write(w, 0, nil, err)
			return
		}
		status, body, err := answer(r.Context(), c)
		write(w, status, body, err)
	}
}

func (a *api) read(w http.ResponseWriter, r *http.Request) (*call, error) {
	keySite, issued, err := a.authenticate(r)
	if err != nil {
		return nil, err
	}
	c := &call{issued: issued}
	c.Site = r.URL.Query().Get("site")
	if r.Method == http.MethodPost {
		if err := decode(w, r, &c.request); err != nil {
			return nil, err
		}
	}
	c.site, err = a.siteFor(keySite, c.Site)
	if keySite == "" && err == nil {
		c.issued = a.Now(c.site)
	}
	return c, err
}

// write writes an answer, or err in its place.
func write(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		failed := &apiError{503, "unavailable", err.Error()}
		if over := new(budget.Error); errors.As(err, &over) {
			failed.status, failed.Code = 429, "limit_reached"
		}
		_ = errors.As(err, &failed)
		status, body = failed.status, failed
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // an entry's data is returned as it was written
	_ = e.Encode(body)
}

// decode reads the one JSON value of a request's body.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &apiError{413, "too_large", fmt.Sprintf("the body of a request has at most %d bytes", maxRequest)}
	case err != nil:
		return badRequest("the body ended early: %v", err)
	case !utf8.Valid(body): // the decoder would replace the invalid bytes
		return badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is invalid: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body has more than one JSON value")
	}
	return nil
}

// siteFor returns the site of a request: that of the key, or, with the operator's key,
// the one that the request names.
func (a *api) siteFor(keySite, named string) (string, error) {
	switch {
	case keySite != "" && named != "" && keySite != named:
		return "", &apiError{403, "forbidden", "the API key is valid for another site"}
	case keySite != "":
		return keySite, nil
	case !a.HasSite(named):
		return "", badRequest("with the operator's key, site must name one of the sites")
	}
	return named, nil
}

// authenticate checks the bearer key. It returns the site that the key is valid for, and when it
// was issued: an empty one and no time for the operator's key.
func (a *api) authenticate(r *http.Request) (siteID string, issued time.Time, err error) {
	if a.isOperator(r) {
		return "", issued, nil
	}
	key, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || key == "" {
		return "", issued, &apiError{401, "no_key", "the header Authorization must be Bearer and an API key"}
	}
	claims := new(ticket.KeyClaims)
	_, err = jwt.ParseWithClaims(key, claims, a.Keyfunc(&siteID), jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithAudience(ticket.ForAPI), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(ticket.ClockSkew))
	if err != nil {
		return "", issued, &apiError{401, "bad_key", "invalid API key: " + err.Error()}
	}
	if claims.IssuedAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > ticket.KeyLife {
		return "", issued, &apiError{401, "bad_key", "invalid API key: it must have iat and expire within a minute"}
	}
	a.KeySigned(siteID, claims.IssuedAt.Time)
	if !a.HasSite(siteID) {
		return "", issued, &apiError{503, "unavailable", "the limit of sites of one network is reached on this node"}
	}
	return siteID, claims.IssuedAt.Time, nil
}

// sameKey compares keys in a time that tells nothing about them.
func sameKey(given, wanted string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(wanted))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// HasKey reports whether a request has a bearer key that is not empty.
func HasKey(r *http.Request, key string) bool {
	return key != "" && sameKey(r.Header.Get("Authorization"), "Bearer "+key)
}
