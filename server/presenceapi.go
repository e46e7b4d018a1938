package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// The API by which back ends list, set and remove presence.

const (
	// maxName is the most characters of a room and a client id, as in the
	// Presence API, whose table cuts what is longer. Here it is refused.
	maxName = 191
	// maxAvatar is the most bytes of an avatar's address.
	maxAvatar = 2048
	// maxUserEntries bounds what one user has in rooms, as in the Presence API.
	maxUserEntries = 50
	// maxPerPage is the most entries of an answer, maxPage the last page of any.
	maxPerPage = 1000
	maxPage    = 1_000_000
)

// anyConn is what a back end may call a connection.
var anyConn = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// presenceCall is one request to the presence API.
type presenceCall struct {
	site  *site
	view  *broker.View
	query url.Values
	body  putPresence
	out   http.Header
}

// putPresence is the body of a PUT.
type putPresence struct {
	Site string `json:"site"`
	Conn string `json:"conn"`
	broker.Entry
}

func (s *Server) routePresence(api *mux.Router) {
	for method, answer := range map[string]func(*presenceCall) (any, error){
		http.MethodGet: s.listPresence, http.MethodPut: s.setPresence, http.MethodDelete: s.removePresence,
	} {
		api.Methods(method).Path("/presence").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := s.readPresence(w, r)
			if err != nil {
				writeAPI(w, 0, nil, err)
				return
			}
			body, err := answer(c)
			writeAPI(w, http.StatusOK, body, err)
		})
	}
}

func (s *Server) readPresence(w http.ResponseWriter, r *http.Request) (*presenceCall, error) {
	of, _, err := s.apiCaller(r)
	if err != nil {
		return nil, err
	}
	c := &presenceCall{out: w.Header()}
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, badRequest("the query cannot be read: %v", err)
	}
	if r.Method == http.MethodPut {
		if err := decodeBody(w, r, &c.body); err != nil {
			return nil, err
		}
	}
	named, err := s.apiSite(of, cmp.Or(c.body.Site, c.query.Get("site")))
	if err != nil {
		return nil, err
	}
	c.site = s.site(named)
	ctx, cancel := context.WithTimeout(r.Context(), watchWait)
	defer cancel()
	c.view, err = c.site.watch(ctx)
	return c, err
}

// listPresence answers GET: the entries of a room, of rooms that begin with a
// prefix, or of the site, a page at a time.
func (s *Server) listPresence(c *presenceCall) (any, error) {
	f := broker.Filter{Room: c.query.Get("room"), Prefix: c.query.Get("prefix")}
	if f.Room != "" && f.Prefix != "" {
		return nil, badRequest("room or prefix, not both")
	}
	if err := checkName("room", f.Room+f.Prefix); f.Room+f.Prefix != "" && err != nil {
		return nil, err
	}
	user, err := c.number("user_id", 0, 1<<62)
	if err != nil {
		return nil, err
	}
	perPage, err := c.number("per_page", 100, maxPerPage)
	if err != nil {
		return nil, err
	}
	page, err := c.number("page", 1, maxPage)
	if err != nil {
		return nil, err
	}
	f.UserID = user
	entries, total := c.view.List(f, int((page-1)*perPage), int(perPage))
	c.out.Set("X-WP-Total", strconv.Itoa(total))
	c.out.Set("X-WP-TotalPages", strconv.Itoa((total+int(perPage)-1)/int(perPage)))
	return append([]broker.Entry{}, entries...), nil
}

// number reads a parameter from 1 to most; left out it is otherwise.
func (c *presenceCall) number(name string, otherwise, most int64) (int64, error) {
	if !c.query.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s is a number from 1 to %d", name, most)
	}
	return n, nil
}

// setPresence answers PUT: the entry lives one TTL from now.
func (s *Server) setPresence(c *presenceCall) (any, error) {
	e := c.body.Entry
	e.DateGMT = cmp.Or(e.DateGMT, time.Now().UTC().Format(wordpress.DateLayout))
	conn := cmp.Or(c.body.Conn, postConn)
	if err := checkEntry(&e); err != nil {
		return nil, err
	}
	if !anyConn.MatchString(conn) {
		return nil, badRequest("conn is 1 to 64 of A-Z a-z 0-9 _ -")
	}
	c.site.puts.Lock()
	defer c.site.puts.Unlock()
	if err := mayPut(c.view, e); err != nil {
		return nil, err
	}
	k := broker.Key{Site: c.site.ID, Room: e.Room, ClientID: e.ClientID, Conn: conn}
	page := s.sessionOf(sessionKey{c.site.ID, e.UserID, conn})
	if page != nil && page.keeps(k) || page == nil && c.view.Held(k) {
		return e, nil // its link says the same, and goes on saying it
	}
	err := s.broker.Put(k, broker.Stored{Entry: e})
	if errors.Is(err, broker.ErrTooLarge) {
		err = badRequest("%v", err)
	}
	return e, err
}

// checkEntry refuses what is not to be stored.
func checkEntry(e *broker.Entry) error {
	if err := cmp.Or(checkName("room", e.Room), checkName("client_id", e.ClientID)); err != nil {
		return err
	}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage("{}")
	}
	var data bytes.Buffer
	_ = json.Compact(&data, e.Data) // it was decoded
	e.Data = data.Bytes()
	_, err := time.Parse(wordpress.DateLayout, e.DateGMT)
	switch {
	case e.UserID < 1:
		return badRequest("user_id is a user's id, above 0")
	case e.Data[0] != '{':
		return badRequest("data must be an object")
	case len(e.Data) > hook.MaxData:
		return badRequest("data has %d bytes as JSON, and %d is the most", len(e.Data), hook.MaxData)
	case utf8.RuneCountInString(e.DisplayName) > maxName || strings.ContainsFunc(e.DisplayName, unicode.IsControl):
		return badRequest("display_name is at most %d characters, none of them a control character", maxName)
	case len(e.AvatarURL) > maxAvatar || strings.ContainsFunc(e.AvatarURL, unicode.IsControl):
		return badRequest("avatar_url is at most %d bytes, none of them a control character", maxAvatar)
	case err != nil:
		return badRequest("date_gmt is written as %s", wordpress.DateLayout)
	}
	return nil
}

// checkName refuses a room or a client id that could not be stored as it is.
func checkName(what, name string) error {
	switch {
	case name == "":
		return badRequest("%s is missing", what)
	case utf8.RuneCountInString(name) > maxName:
		return badRequest("%s has at most %d characters", what, maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return badRequest("%s has control characters", what)
	case !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError):
		return badRequest("%s is not UTF-8", what)
	}
	return nil
}

// mayPut refuses to take over somebody else's entry, and the 51st of one user.
func mayPut(v *broker.View, e broker.Entry) error {
	there, _ := v.List(broker.Filter{Room: e.Room, ClientID: e.ClientID}, 0, 1)
	if len(there) > 0 {
		if there[0].UserID != e.UserID {
			return &apiError{409, "conflict", "this client_id is another user's in this room"}
		}
		return nil
	}
	if _, total := v.List(broker.Filter{UserID: e.UserID}, 0, 0); total >= maxUserEntries {
		return &apiError{429, "too_many", "the user has " + strconv.Itoa(total) + " entries already"}
	}
	return nil
}

// removePresence answers DELETE: one entry, or all of a user.
func (s *Server) removePresence(c *presenceCall) (any, error) {
	user, err := c.number("user_id", 0, 1<<62)
	if err != nil {
		return nil, err
	}
	f := broker.Filter{Room: c.query.Get("room"), ClientID: c.query.Get("client_id"), UserID: user}
	if user == 0 || c.query.Has("room") || c.query.Has("client_id") {
		if err := cmp.Or(checkName("room", f.Room), checkName("client_id", f.ClientID)); err != nil {
			return nil, err
		}
		f.UserID = 0
		there, _ := c.view.List(f, 0, 1)
		if user != 0 && len(there) > 0 && there[0].UserID != user {
			return nil, &apiError{403, "forbidden", "the entry is another user's"}
		}
	}
	conn := c.query.Get("conn")
	for _, k := range c.view.Keys(f) {
		if conn != "" && k.Conn != conn {
			continue
		}
		if err := s.broker.Remove(k); err != nil {
			return nil, err
		}
	}
	return struct {
		Deleted bool   `json:"deleted"`
		Room    string `json:"room"`
	}{true, f.Room}, nil
}
