package room

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxListed and maxEditors bound the list of a site. A page shows the posts of it that its
	// user may edit, at most MaxActivePosts.
	maxListed      = 500
	maxEditors     = 20
	MaxActivePosts = 50
	// activeAge is how old the list may be, so that a busy site does not sort its posts
	// for every page. It is less than nudgeDelay: a page that is notified of a change gets
	// a list with the change.
	activeAge = 100 * time.Millisecond
	// titleLife is for how long a reported title replaces those in entries, which come from the tickets
	// of editors: an open page has a newer ticket after at most twelve minutes. maxTitles is how many a
	// site has.
	titleLife = 13 * time.Minute
	maxTitles = 1000
)

// ActivePosts lists the posts of a site that are being edited. It caches the list until a
// post's room changes or the site gets another view: changes are not counted while the site
// has no view.
type ActivePosts struct {
	changes atomic.Uint64 // changes in post rooms; counted under the view's lock

	mu      sync.Mutex                // guards the following fields
	posts   []hook.ActivePost         // the cached list
	view    weak.Pointer[broker.View] // from which it was made; weak, so that a closed one is freed
	counted uint64                    // changes when it was made
	made    time.Time
	titles  map[int64]newTitle // by post
}

// newTitle is a reported title of a post.
type newTitle struct {
	text     string
	issuedMS int64 // when WordPress reported it, in Unix ms
	until    time.Time
}

func (a *ActivePosts) changed() { a.changes.Add(1) }

// setTitle takes the reported title of a post, unless a newer one was received.
func (a *ActivePosts) setTitle(post int64, text string, issuedMS int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.titles, func(_ int64, t newTitle) bool { return !now.Before(t.until) })
	if issuedMS < a.titles[post].issuedMS {
		return
	}
	if a.titles == nil || len(a.titles) >= maxTitles {
		a.titles = make(map[int64]newTitle)
	}
	a.titles[post] = newTitle{text, issuedMS, now.Add(titleLife)}
	a.changed()
	a.made = time.Time{} // the next list has it
}

// useTitles sets the reported titles of posts. It is called with a.mu held.
func (a *ActivePosts) useTitles(now time.Time) {
	for i := range a.posts {
		if t, ok := a.titles[a.posts[i].ID]; ok && now.Before(t.until) {
			a.posts[i].Title = &t.text
		}
	}
}

// Read returns the posts, the one with the newest entry first: at most
// maxListed, with at most maxEditors each. The slices are shared and must not be changed.
func (a *ActivePosts) Read(view *broker.View, now time.Time) []hook.ActivePost {
	a.mu.Lock()
	defer a.mu.Unlock()
	changes := a.changes.Load()
	from := weak.Make(view)
	if a.view != from || changes != a.counted && now.Sub(a.made) >= activeAge {
		var entries []presence.Entry
		for _, room := range newestRooms(view) {
			in, _ := view.List(presence.Filter{Room: room}, 0, math.MaxInt)
			entries = append(entries, in...)
		}
		a.posts = findActivePosts(entries)
		if len(a.titles) > 0 {
			a.useTitles(now)
		}
		a.view, a.counted, a.made = from, changes, now
	}
	return a.posts
}

// newestRooms returns the rooms of the posts with the newest entries, at most maxListed, in no order. Of
// the others it looks at the newest entry only: a site may have many times as many.
func newestRooms(view *broker.View) (names []string) {
	var newest heads
	view.Heads("postType/", func(e *presence.Entry) {
		full := len(newest) == maxListed
		if full && e.DateGMT < newest[0].date {
			return
		}
		post, ok := wordpress.ParsePostRoom(e.Room)
		switch h := (head{e.DateGMT, post.ID, e.Room}); {
		case !ok:
		case !full:
			heap.Push(&newest, h)
		case newest[0].before(h):
			newest[0] = h
			heap.Fix(&newest, 0)
		}
	})
	for _, h := range newest {
		names = append(names, h.room)
	}
	return names
}

// head is the newest entry of a post's room.
type head struct {
	date string
	post int64
	room string
}

// before reports whether the entry is older than another one: its post comes later in the list.
func (h head) before(other head) bool {
	return cmp.Or(cmp.Compare(h.date, other.date), cmp.Compare(h.post, other.post)) < 0
}

// heads is a heap. The first one comes last in the list.
type heads []head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return h[i].before(h[j]) }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(head)) }

func (h *heads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// findActivePosts makes the list from the entries in post rooms. Those of a room follow each other, the
// newest first.
func findActivePosts(entries []presence.Entry) (posts []hook.ActivePost) {
	room, said := "", false
	for _, e := range entries {
		post, ok := wordpress.ParsePostRoom(e.Room)
		if !ok || e.UserID == 0 {
			continue // of a back end, not of a person
		}
		if e.Room != room {
			room, said = e.Room, false
			posts = append(posts, hook.ActivePost{Post: post})
		}
		p := &posts[len(posts)-1]
		if e.PostTitle != nil && !said {
			p.Title, said = e.PostTitle, true
		} else if p.Title == nil && e.PostTitle == nil {
			p.Title = titleOf(e)
		}
		addEditor(p, e)
	}
	slices.SortFunc(posts, func(a, b hook.ActivePost) int {
		return cmp.Or(cmp.Compare(b.Editors[0].DateGMT, a.Editors[0].DateGMT), cmp.Compare(b.ID, a.ID))
	})
	return posts[:min(len(posts), maxListed)]
}

// titleOf returns the title in the data of an entry. Users do not write the data of these entries:
// a page's entry has the title that its ticket names, and for an entry that a user has written, the
// plugin says the title of the post.
func titleOf(e presence.Entry) *string {
	var data struct {
		Title *string `json:"title"`
	}
	_ = json.Unmarshal(e.Data, &data) // another service's entry may have no title
	return data.Title
}

// addEditor adds an entry of the post's room. Several entries of one person become one,
// which is idle if all of them are.
func addEditor(p *hook.ActivePost, e presence.Entry) {
	i := slices.IndexFunc(p.Editors, func(other presence.Entry) bool { return other.UserID == e.UserID })
	switch {
	case i < 0 && len(p.Editors) < maxEditors:
		p.Editors = append(p.Editors, e)
	case i >= 0 && e.Idle == presence.Active:
		p.Editors[i].Idle = presence.Active
	case i >= 0 && e.Idle == presence.Unreported && p.Editors[i].Idle == presence.Idle:
		p.Editors[i].Idle, p.Editors[i].DateGMT = e.Idle, e.DateGMT // the date says whether they are idle
	}
}
