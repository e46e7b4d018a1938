package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxRequest and maxPush bound what the API takes, in bytes.
	maxRequest = 128 << 10
	maxPush    = 64 << 10
	// maxSpread is the longest time over which pages are nudged.
	maxSpread = 60_000
	// keyLife is how long a site's API key may live.
	keyLife = time.Minute
)

// apiError is what the API answers when it does not do what was asked.
type apiError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func badRequest(format string, args ...any) *apiError {
	return &apiError{400, "bad_request", fmt.Sprintf(format, args...)}
}

// apiCall is one request to the API.
type apiCall struct {
	Site     string          `json:"site"`
	To       target          `json:"to"`
	Data     json.RawMessage `json:"data"`
	SpreadMS int             `json:"spread_ms"`
	User     int64           `json:"user"`
	SID      string          `json:"sid"`
	Room     string          `json:"room"`
	All      bool            `json:"all"`
	At       int64           `json:"at"`       // when the next scheduled event is due, in Unix s
	UntilMS  int64           `json:"until_ms"` // a revocation's, in Unix ms; 0: when the key was issued

	issued time.Time // by the caller's clock
}

// routeAPI adds the API to the admin listener.
func (s *Server) routeAPI(r *mux.Router) {
	api := r.PathPrefix("/api/v1").Subrouter()
	api.Methods("POST").Path("/push").HandlerFunc(s.api(s.apiPush))
	api.Methods("POST").Path("/nudge").HandlerFunc(s.api(s.apiNudge))
	api.Methods("POST").Path("/cron").HandlerFunc(s.api(s.apiCron))
	api.Methods("POST").Path("/revoke").HandlerFunc(s.api(s.apiRevoke))
	api.Methods("GET").Path("/status").HandlerFunc(s.api(s.apiStatus))
	s.routePresence(api)
	api.PathPrefix("/").HandlerFunc(apiUnknown)
}

// apiUnknown answers what the API does not have. The plugin may be newer than this
// server: the JSON of the error tells it that heartbeatd answers.
func apiUnknown(w http.ResponseWriter, r *http.Request) {
	writeAPI(w, 0, nil, &apiError{404, "not_found", "this version of heartbeatd has no such path, or not with the method " + r.Method})
}

// api reads and checks a request, and writes what answer makes of it.
func (s *Server) api(answer func(context.Context, *apiCall) (status int, body any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, body, err := 0, any(nil), error(nil)
		c, err := s.apiRead(w, r)
		if err == nil {
			status, body, err = answer(r.Context(), c)
		}
		writeAPI(w, status, body, err)
	}
}

// writeAPI writes an answer, or the error that is there instead.
func writeAPI(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		failed := &apiError{503, "unavailable", err.Error()}
		_ = errors.As(err, &failed)
		status, body = failed.status, failed
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // data comes back as it was written
	_ = e.Encode(body)
}

func (s *Server) apiRead(w http.ResponseWriter, r *http.Request) (*apiCall, error) {
	site, issued, err := s.apiCaller(r)
	if err != nil {
		return nil, err
	}
	c := &apiCall{Site: r.URL.Query().Get("site"), issued: issued}
	if r.Method == http.MethodPost {
		if err := decodeBody(w, r, c); err != nil {
			return nil, err
		}
	}
	c.Site, err = s.apiSite(site, c.Site)
	return c, err
}

// decodeBody reads the one JSON value that a request's body is.
func decodeBody(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &apiError{413, "too_large", fmt.Sprintf("a request may have %d bytes", maxRequest)}
	case err != nil:
		return badRequest("the body broke off: %v", err)
	case !utf8.Valid(body): // the decoder would quietly make something else of it
		return badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not what is asked for: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("there is more than one JSON value in the body")
	}
	return nil
}

// apiSite is the site that a call is about: the one whose key it has, or, with
// the operator's key, the one it names.
func (s *Server) apiSite(of, named string) (string, error) {
	switch {
	case of != "" && named != "" && of != named:
		return "", &apiError{403, "forbidden", "this key is another site's"}
	case of != "":
		return of, nil
	case s.site(named) == nil:
		return "", badRequest("with the operator's key site must name one of the sites")
	}
	return named, nil
}

// apiCaller checks the bearer key: a JWT of a site, good for that site, or the
// operator's key, good for all and told by an empty site.
func (s *Server) apiCaller(r *http.Request) (siteID string, issued time.Time, err error) {
	key, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || key == "" {
		return "", issued, &apiError{401, "no_key", "Authorization: Bearer and a key are needed"}
	}
	if s.apiKey != "" {
		given, wanted := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(s.apiKey))
		if subtle.ConstantTimeCompare(given[:], wanted[:]) == 1 {
			return "", time.Now(), nil
		}
	}
	claims := new(jwt.RegisteredClaims)
	_, err = jwt.ParseWithClaims(key, claims, s.tickets.Keyfunc(&siteID), jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithAudience("api"), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(ticket.ClockSkew))
	if err != nil {
		return "", issued, &apiError{401, "bad_key", "the key is refused: " + err.Error()}
	}
	if claims.IssuedAt == nil || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > keyLife {
		return "", issued, &apiError{401, "bad_key", "a key says when it was issued, and lives for a minute at most"}
	}
	if s.site(siteID) == nil {
		return "", issued, &apiError{503, "unavailable", "this node has no place for one more site of a network"}
	}
	return siteID, claims.IssuedAt.Time, nil
}

// check wants exactly one address.
func (t target) check() error {
	set := 0
	for _, is := range []bool{t.Room != "", t.User != 0, t.Can != "", t.All} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return badRequest("to must have one of room, user, can and all")
	case t.User < 0:
		return badRequest("a user id is above 0")
	case len(t.Room) > maxText || len(t.Can) > maxText:
		return badRequest("a room or a capability has at most %d bytes", maxText)
	}
	return nil
}

// checkAudience wants an address that pages can belong to: a room that they hear
// contains a "/".
func (t target) checkAudience() error {
	if err := t.check(); err != nil || t.Room == "" {
		return err
	}
	if !strings.Contains(t.Room, "/") {
		return badRequest(`a room contains a "/", as postType/post:42: for a user, a capability or everyone there are user, can and all`)
	}
	if _, ok := wordpress.ParsePostRoom(t.Room); !ok && strings.HasPrefix(t.Room, "postType/") {
		return badRequest("a post's room is postType/TYPE:ID, as postType/post:42")
	}
	return nil
}

func (s *Server) apiPush(ctx context.Context, c *apiCall) (int, any, error) {
	if err := c.To.checkAudience(); err != nil {
		return 0, nil, err
	}
	switch {
	case len(c.Data) == 0:
		return 0, nil, badRequest("there is no data")
	case len(c.Data) > maxPush:
		return 0, nil, &apiError{413, "too_large", fmt.Sprintf("data may have %d bytes", maxPush)}
	}
	cursor, err := s.say(ctx, broker.Pushes, c.Site, message{Kind: "push", To: c.To, Data: c.Data})
	return http.StatusAccepted, map[string]string{"cursor": cursor.String()}, err
}

func (s *Server) apiNudge(ctx context.Context, c *apiCall) (int, any, error) {
	if err := c.To.checkAudience(); err != nil {
		return 0, nil, err
	}
	if c.SpreadMS < 0 || c.SpreadMS > maxSpread {
		return 0, nil, badRequest("spread_ms is 0 to %d", maxSpread)
	}
	_, err := s.say(ctx, broker.Pushes, c.Site, message{Kind: "nudge", To: c.To, SpreadMS: c.SpreadMS})
	return http.StatusAccepted, struct{}{}, err
}

func (s *Server) apiRevoke(ctx context.Context, c *apiCall) (int, any, error) {
	if err := (&target{User: c.User, Room: c.Room, All: c.All}).check(); err != nil {
		return 0, nil, badRequest("one of user, room and all says whose tickets end: %v", err)
	}
	if len(c.SID) != 0 && len(c.SID) != 64 {
		return 0, nil, badRequest("sid is the hex sha256 of a session token")
	}
	if c.UntilMS < 0 || c.UntilMS > c.issued.Add(time.Second).UnixMilli() {
		return 0, nil, badRequest("until_ms is a time in Unix milliseconds, and not after the key was issued")
	}
	_, err := s.say(ctx, broker.Revocations, c.Site, ticket.Revocation{User: c.User, SID: c.SID, Room: c.Room, Until: cmp.Or(c.UntilMS, untilOf(c.issued))})
	return http.StatusAccepted, struct{}{}, err
}

// untilOf is when a key was issued, in Unix ms. Most keys count in whole seconds, and
// may be of the end of theirs.
func untilOf(issued time.Time) int64 {
	if issued.Nanosecond() == 0 {
		return issued.UnixMilli() + 999
	}
	return issued.UnixMilli()
}

func (s *Server) say(ctx context.Context, t broker.Topic, site string, v any) (broker.Cursor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return broker.Cursor{}, badRequest("the data is no JSON: %v", err)
	}
	return s.broker.Say(ctx, t, site, b)
}

// apiStatus tells a site how it is served.
func (s *Server) apiStatus(ctx context.Context, c *apiCall) (int, any, error) {
	status := struct {
		Version  string `json:"version"`
		Site     string `json:"site"`
		Time     int64  `json:"time"`
		Ready    bool   `json:"ready"`
		Reason   string `json:"reason"`
		Sessions int    `json:"sessions"`
		Online   int    `json:"online"`
	}{Version: "unknown", Site: c.Site, Time: time.Now().Unix(), Ready: true}
	if info, ok := debug.ReadBuildInfo(); ok {
		status.Version = info.Main.Version
	}
	if err := s.ready(); err != nil {
		status.Ready, status.Reason = false, err.Error()
	}
	s.mu.Lock()
	for key := range s.sessions {
		if key.site == c.Site {
			status.Sessions++
		}
	}
	s.mu.Unlock()
	if view, err := s.site(c.Site).watch(ctx); err == nil {
		view.Room(wordpress.AdminRoom, func(_ []broker.Entry, total int) { status.Online = total })
	}
	return http.StatusOK, status, nil
}
