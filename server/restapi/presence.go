package restapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxUserEntries is the maximum number of entries of one user, as in the Presence
	// API.
	maxUserEntries = 50
	// maxExpiresIn is the longest lifetime of an entry, in seconds.
	maxExpiresIn = 3600
	// viewWait is how long a request waits for the first snapshot of a site.
	viewWait = 2 * time.Second
)

// connID matches the connection IDs that a back end may use.
var connID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// presenceCall is one request to /presence.
type presenceCall struct {
	site  string
	view  *broker.View
	query url.Values
	body  putRequest
	out   http.Header
}

// putRequest is the body of a PUT.
type putRequest struct {
	Site      string `json:"site"`
	Conn      string `json:"conn"`
	UserID    *int64 `json:"user_id"`    // required; 0: no user
	ExpiresIn *int64 `json:"expires_in"` // in seconds; nil: one TTL
	presence.Entry
}

func (a *api) handlePresence(answer func(*presenceCall) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := a.readPresence(w, r)
		if err != nil {
			write(w, 0, nil, err)
			return
		}
		body, err := answer(c)
		write(w, http.StatusOK, body, err)
	}
}

func (a *api) readPresence(w http.ResponseWriter, r *http.Request) (*presenceCall, error) {
	keySite, _, err := a.authenticate(r)
	if err != nil {
		return nil, err
	}
	c := &presenceCall{out: w.Header()}
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, badRequest("the query is invalid: %v", err)
	}
	if r.Method == http.MethodPut {
		if err := decode(w, r, &c.body); err != nil {
			return nil, err
		}
	}
	if c.site, err = a.siteFor(keySite, cmp.Or(c.body.Site, c.query.Get("site"))); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), viewWait)
	defer cancel()
	c.view, err = a.View(ctx, c.site)
	return c, err
}

// setPresence answers PUT: it writes an entry, which lives for one TTL or for expires_in.
func (a *api) setPresence(c *presenceCall) (any, error) {
	e := c.body.Entry
	if c.body.UserID == nil {
		return nil, badRequest("user_id is missing")
	}
	e.UserID = *c.body.UserID
	e.DateGMT, e.ExpiresGMT = cmp.Or(e.DateGMT, wordpress.Date(a.Broker.Now())), ""
	conn := cmp.Or(c.body.Conn, PostConn)
	if err := CheckEntry(&e); err != nil {
		return nil, badRequest("%v", err)
	}
	if !connID.MatchString(conn) {
		return nil, badRequest("conn must be 1 to 64 of A-Z a-z 0-9 _ -")
	}
	if in := c.body.ExpiresIn; in != nil && (*in < 1 || *in > maxExpiresIn) {
		return nil, badRequest("expires_in must be 1 to %d seconds", maxExpiresIn)
	}
	lock := a.PutLock(c.site)
	lock.Lock()
	defer lock.Unlock()
	if err := mayPut(c.view, e); err != nil {
		return nil, err
	}
	k := presence.Key{Site: c.site, Room: e.Room, ClientID: e.ClientID, Conn: conn}
	renews, hasSession := a.Renews(k, e.UserID)
	a.Broker.Posted(k)
	if renews || !hasSession && c.view.Held(k) {
		return e, nil // the page's connection writes the same entry, and renews it
	}
	err := a.put(k, &e, c.body.ExpiresIn)
	if errors.Is(err, presence.ErrTooLarge) {
		err = badRequest("%v", err)
	}
	return e, err
}

// put writes an entry. expiresIn is its lifetime in seconds, nil for one TTL.
func (a *api) put(k presence.Key, e *presence.Entry, expiresIn *int64) error {
	if expiresIn == nil {
		return a.Broker.Put(k, presence.Stored{Entry: *e})
	}
	until := a.Broker.Now().Add(time.Duration(*expiresIn) * time.Second)
	e.ExpiresGMT = wordpress.Date(until)
	return a.Broker.PutUntil(k, presence.Stored{Entry: *e}, until)
}

// mayPut refuses an entry that is another user's, and one more than maxUserEntries of a
// user.
func mayPut(v *broker.View, e presence.Entry) error {
	there, _ := v.List(presence.Filter{Room: e.Room, ClientID: e.ClientID}, 0, 1)
	if len(there) > 0 {
		if there[0].UserID != e.UserID {
			return &apiError{409, "conflict", "another user has this client_id in this room"}
		}
		return nil
	}
	if _, total := v.List(presence.Filter{UserID: e.UserID, NoUser: e.UserID == 0}, 0, 0); total >= maxUserEntries {
		return &apiError{429, "too_many", "the limit of entries of one user is reached: " + strconv.Itoa(maxUserEntries)}
	}
	return nil
}

// removePresence answers DELETE: it removes one entry, or all of a user.
func (a *api) removePresence(c *presenceCall) (any, error) {
	user, err := c.number("user_id", 0, 1<<62)
	if err != nil {
		return nil, err
	}
	f := presence.Filter{Room: c.query.Get("room"), ClientID: c.query.Get("client_id"), UserID: user}
	if user == 0 || c.query.Has("room") || c.query.Has("client_id") {
		if err := cmp.Or(checkName("room", f.Room), checkName("client_id", f.ClientID)); err != nil {
			return nil, badRequest("%v", err)
		}
		f.UserID = 0
		there, _ := c.view.List(f, 0, 1)
		if user != 0 && len(there) > 0 && there[0].UserID != user {
			return nil, &apiError{403, "forbidden", "the entry belongs to another user"}
		}
	}
	conn := c.query.Get("conn")
	type name struct{ room, clientID string }
	removed := map[name]bool{}
	for _, k := range c.view.Keys(f) {
		if conn != "" && k.Conn != conn {
			continue
		}
		if err := a.Broker.Remove(k); err != nil {
			return nil, err
		}
		removed[name{k.Room, k.ClientID}] = true
	}
	return struct {
		Deleted bool   `json:"deleted"`
		Room    string `json:"room"`
		Removed int    `json:"removed"` // how many entries there were
	}{true, f.Room, len(removed)}, nil
}
