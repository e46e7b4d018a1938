package server

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// activeHandle asks which posts are being edited, and by whom.
const activeHandle = "presence-active-posts-ping"

const (
	// maxActivePosts and maxEditors bound its answer.
	maxActivePosts = 50
	maxEditors     = 20
	// activeAge is how old an answer may be, so that a busy site does not sort
	// its posts for every page. It is less than nudgeDelay: a page that was
	// nudged sees what it was nudged for.
	activeAge = 100 * time.Millisecond
)

// activePosts is which posts of a site are being edited, good until a post's
// room changes, and for the view that it was read from: nothing is told of changes
// while the site is not watched.
type activePosts struct {
	changes atomic.Uint64 // of post rooms; counted under the view's lock

	mu    sync.Mutex                // guards the following fields
	view  weak.Pointer[broker.View] // weak, so that one that is closed can go
	of    uint64
	at    time.Time
	posts []hook.ActivePost
	types []string // of all posts, also of those that are cut
}

// readActivePosts reads them for a beat that asks. It says no when PHP must
// answer, because it alone knows whether this user may edit one of them.
func (c *beat) readActivePosts() bool {
	if wordpress.Empty(c.Data.Get(activeHandle)) || c.User == nil || !c.User.EditPosts {
		return true
	}
	view, err := c.view()
	if err != nil {
		return false
	}
	posts, types := c.site.active.read(view, c.Now)
	for _, kind := range types {
		if !slices.Contains(c.User.Types, kind) {
			return false
		}
	}
	for _, p := range posts {
		if p.Title == nil || c.User.AdminURL == "" {
			return false
		}
	}
	c.posts = append([]hook.ActivePost{}, posts...)
	return true
}

// read makes the list anew when that is due.
func (a *activePosts) read(view *broker.View, now time.Time) (posts []hook.ActivePost, types []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changes := a.changes.Load()
	from := weak.Make(view)
	if a.view != from || changes != a.of && now.Sub(a.at) >= activeAge {
		entries, _ := view.List(broker.Filter{Prefix: "postType/"}, 0, math.MaxInt)
		a.posts, a.types = findActivePosts(entries)
		a.view, a.of, a.at = from, changes, now
	}
	return a.posts, a.types
}

// findActivePosts makes the list of the entries in post rooms, which come room
// by room and the newest first.
func findActivePosts(entries []broker.Entry) (posts []hook.ActivePost, types []string) {
	room := ""
	for _, e := range entries {
		post, ok := wordpress.ParsePostRoom(e.Room)
		if !ok {
			continue
		}
		if e.Room != room {
			room = e.Room
			posts = append(posts, hook.ActivePost{Post: post})
			if !slices.Contains(types, post.Type) {
				types = append(types, post.Type)
			}
		}
		addEditor(&posts[len(posts)-1], e)
	}
	slices.SortFunc(posts, func(a, b hook.ActivePost) int {
		return cmp.Or(cmp.Compare(b.Editors[0].DateGMT, a.Editors[0].DateGMT), cmp.Compare(b.ID, a.ID))
	})
	return posts[:min(len(posts), maxActivePosts)], types
}

// addEditor takes an entry of the post's room. Several of one person are one, who is
// idle if all of them are.
func addEditor(p *hook.ActivePost, e broker.Entry) {
	if p.Title == nil {
		var data struct {
			Title *string `json:"title"`
		}
		_ = json.Unmarshal(e.Data, &data) // another service's entry may have none
		p.Title = data.Title
	}
	i := slices.IndexFunc(p.Editors, func(other broker.Entry) bool { return other.UserID == e.UserID })
	switch {
	case i < 0 && len(p.Editors) < maxEditors:
		p.Editors = append(p.Editors, e)
	case i >= 0 && e.Idle == broker.Active:
		p.Editors[i].Idle = broker.Active
	case i >= 0 && e.Idle == broker.Unreported && p.Editors[i].Idle == broker.Idle:
		p.Editors[i].Idle, p.Editors[i].DateGMT = e.Idle, e.DateGMT // which decides
	}
}

// tellActivePosts answers with what was read.
func tellActivePosts(c *hook.Call) {
	posts := c.Presence.ActivePosts()
	if posts == nil {
		return
	}
	list := wordpress.NewArray()
	for _, p := range posts {
		editors := wordpress.NewArray()
		for _, e := range p.Editors {
			editors.Append(activeEditor(e, c.Now))
		}
		post := wordpress.NewArray()
		post.Set("post_id", p.ID)
		post.Set("post_title", *p.Title)
		post.Set("post_type", p.Type)
		post.Set("edit_url", c.User.AdminURL+"post.php?post="+strconv.FormatInt(p.ID, 10)+"&action=edit")
		post.Set("editors", editors)
		list.Append(post)
	}
	c.Response.Set("presence-active-posts", list)
}

func activeEditor(e broker.Entry, now time.Time) *wordpress.Array {
	status := "active"
	if e.IsIdle(now) {
		status = "idle"
	}
	a := wordpress.NewArray()
	a.Set("user_id", e.UserID)
	a.Set("display_name", e.DisplayName)
	a.Set("avatar_url", e.AvatarURL)
	a.Set("status", status)
	return a
}
