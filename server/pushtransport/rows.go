// Package pushtransport is the push transport of the Presence API plugin.
//
// It holds the rows of open pages in that plugin's table (rows.go, state.go). The load of a page
// writes its rows; after that the page's beats leave them alone. All rows of a site are renewed
// with one call to WordPress well before they expire. A row is written or removed between
// renewals when its last page has closed, or when the page that it shows has closed or was
// hidden.
//
// It also decides which changes of that plugin's rooms are pushed to pages (changes.go).
package pushtransport

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxRows is the maximum number of rows of a call.
	maxRows = 500
	// maxCalls is the maximum number of sites that are called at a time.
	maxCalls = 8
	// gather is the time from a change until it is reported, so that changes of a user who goes
	// from one page to another are reported together.
	gather = 200 * time.Millisecond
	// look is how often a node looks which site's rows must be renewed.
	look = time.Second
)

// Node is the node that the rows are held on.
type Node struct {
	sitecall.Access
	Broker *broker.Broker
	Logger *slog.Logger
	// Wake receives a value when a change must be reported.
	Wake <-chan struct{}
	// Sites returns the IDs and states of the sites that have pages on this node.
	Sites iter.Seq2[string, *State]
	// View returns the live view of a site.
	View func(ctx context.Context, siteID string) (*broker.View, error)
	// Publish tells all nodes what a call has done.
	Publish func(ctx context.Context, siteID string, m message.Message) error
	// Tell tells the pages of a site on this node whether their rows are held.
	Tell func(siteID string, holds bool)
}

// row is a row in a call.
type row struct {
	Room     string          `json:"room"`
	ClientID string          `json:"client_id"`
	UserID   int64           `json:"user_id"`
	Where    json.RawMessage `json:"where"`          // the screen of the page
	Idle     bool            `json:"idle,omitempty"` // the user is idle on all pages
	Age      int64           `json:"age,omitempty"`  // of a row that is removed: since when the page has been closed, in s
}

// request is the body of a call.
type request struct {
	Rows  []row `json:"rows"`
	Left  []row `json:"left"`
	Renew bool  `json:"renew"` // the rows have not changed, as far as this node knows
}

// answer is the answer to a call.
type answer struct {
	Rooms     []message.RoomState `json:"rooms"`
	ExpiresIn int64               `json:"expires_in"` // how long a row lives after it was written, in s
}

// holder holds the rows of sites.
type holder struct {
	Node
	caller *sitecall.Caller
}

// Run holds the rows of sites until stop is closed.
func Run(n Node, stop <-chan struct{}) {
	h := &holder{n, sitecall.New(callTimeout)}
	ctx, cancel := context.WithCancel(context.Background())
	group := new(errgroup.Group)
	group.SetLimit(maxCalls)
	tick := time.NewTicker(look)
	defer func() {
		tick.Stop()
		cancel()
		_ = group.Wait()
		h.caller.Close()
	}()
	var soon <-chan time.Time
	for {
		select {
		case <-stop:
			return
		case <-n.Wake:
			if soon == nil {
				soon = time.After(gather)
			}
			continue
		case <-soon:
			soon = nil
		case <-tick.C:
		}
		for id, state := range n.Sites {
			if holds, news := state.tell(time.Now()); news {
				n.Tell(id, holds)
			}
			if job, due := state.begin(time.Now()); due && !group.TryGo(func() error { h.do(ctx, id, state, job); return nil }) {
				state.end(job, result{}, time.Now()) // at the limit of calls; retried at the next tick
			}
			if soon == nil && state.waits(time.Now()) {
				soon = time.After(gather)
			}
		}
	}
}

// do makes the calls of a site that are due.
func (h *holder) do(ctx context.Context, siteID string, state *State, j job) {
	var r result
	r.err = h.CheckURL(siteID, j.url)
	if r.err == nil && j.renew && !j.leased {
		j.renew, r.err = h.Broker.Lease(ctx, "rows."+siteID, leaseTime(j.every))
		r.refused, r.unasked = r.err == nil && !j.renew, r.err != nil
	}
	if r.err == nil && (j.renew || len(j.changed) > 0) {
		r.called, r.expiresIn, r.err = h.call(ctx, siteID, j)
	}
	failures := state.end(j, r, time.Now())
	if r.err != nil && !r.unasked && ctx.Err() == nil && (failures == 1 || failures == failuresInRow) {
		h.Logger.Warn("presence rows cannot be held in WordPress", "site", siteID, "failures", failures, "error", r.err)
	}
}

// call renews the rows of a site, or writes and removes those that have changed.
func (h *holder) call(ctx context.Context, siteID string, j job) (called bool, expiresIn time.Duration, err error) {
	view, err := h.View(ctx, siteID)
	if err != nil {
		return false, 0, err
	}
	if h.PublicOnly(siteID, j.url) {
		ctx = sitecall.PublicOnly(ctx)
	}
	for _, body := range calls(view, j, time.Now()) {
		var a answer
		called = true
		if err := h.caller.Post(ctx, siteID, h.Secret(siteID), h.Now(siteID), j.url, body, &a); err != nil {
			return called, 0, err
		}
		h.Answered(siteID, j.url)
		if a.ExpiresIn > 0 {
			expiresIn = time.Duration(min(max(a.ExpiresIn, minExpiry), maxExpiry)) * time.Second
		}
		rooms := slices.DeleteFunc(a.Rooms, func(r message.RoomState) bool { return r.Check() != nil })
		for chunk := range slices.Chunk(rooms, message.MaxRooms) {
			if err := h.Publish(ctx, siteID, message.Message{Kind: message.Rooms, Rooms: chunk}); err != nil {
				return called, 0, err
			}
		}
	}
	if j.renew {
		lives := cmp.Or(expiresIn, defaultExpiry)
		err = h.Publish(ctx, siteID, message.Message{Kind: message.Renewed, LivesMS: lives.Milliseconds()})
	}
	return called, expiresIn, err
}

// calls returns the bodies of the calls for a job: at least one if the rows are renewed.
func calls(view *broker.View, j job, now time.Time) (bodies []request) {
	var rows, moved, left []row
	if j.renew {
		for _, s := range view.Shown(presence.Filter{}) {
			if s.Held && IsRow(s.Room, s.ClientID, s.UserID) {
				rows = append(rows, row{Room: s.Room, ClientID: s.ClientID, UserID: s.UserID, Where: s.Data, Idle: s.Idle == presence.Idle})
			}
		}
	}
	for k, c := range j.changed {
		shown := view.Shown(presence.Filter{Room: k.Room, ClientID: k.ClientID})
		switch {
		case len(shown) == 0:
			left = append(left, row{Room: k.Room, ClientID: k.ClientID, UserID: k.UserID, Where: c.where, Age: int64(now.Sub(c.since).Seconds())})
		case shown[0].Held:
			moved = append(moved, row{Room: k.Room, ClientID: k.ClientID, UserID: k.UserID, Where: shown[0].Data})
		}
	}
	for len(moved)+len(left) > 0 {
		var r request
		r.Left, left = take(left, maxRows)
		r.Rows, moved = take(moved, maxRows-len(r.Left))
		bodies = append(bodies, r)
	}
	for first := j.renew; first || len(rows) > 0; first = false {
		r := request{Left: []row{}, Renew: true}
		r.Rows, rows = take(rows, maxRows)
		bodies = append(bodies, r)
	}
	return bodies
}

// take returns the first rows of a list, at most n and sorted if they are all, and the others.
func take(list []row, n int) (first, others []row) {
	n = min(n, len(list))
	first = slices.SortedFunc(slices.Values(list[:n]), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ClientID, b.ClientID))
	})
	return append([]row{}, first...), list[n:]
}

// IsRow reports whether an entry of a page is a row of the Presence API plugin: a user in the
// admin, or the editor of a post.
func IsRow(room, clientID string, user int64) bool {
	if room == wordpress.AdminRoom {
		return clientID == UserClient(user)
	}
	_, isPost := wordpress.ParsePostRoom(room)
	return isPost && clientID == EditorClient(user)
}

// RowUser returns the user of a row of a page.
func RowUser(room, clientID string) (user int64, ok bool) {
	_, id, _ := strings.Cut(clientID, "-")
	user, err := strconv.ParseInt(id, 10, 64)
	return user, err == nil && user > 0 && IsRow(room, clientID, user)
}

// UserClient returns the client ID of a user in the admin.
func UserClient(user int64) string { return "user-" + strconv.FormatInt(user, 10) }

// EditorClient returns the client ID of a user who edits a post.
func EditorClient(user int64) string { return "editor-" + strconv.FormatInt(user, 10) }
