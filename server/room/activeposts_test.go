package room

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestActivePostsAreBounded cuts the posts and the people.
func TestActivePostsAreBounded(t *testing.T) {
	var entries []presence.Entry
	for post := range maxListed + 10 {
		for user := range maxEditors + 10 {
			entries = append(entries, presence.Entry{Room: fmt.Sprintf("postType/post:%d", post), UserID: int64(user), DateGMT: fmt.Sprintf("2026-11-23 05:20:%03d", post)})
		}
	}
	posts := findActivePosts(entries)
	if len(posts) != maxListed || posts[0].ID != maxListed+9 || len(posts[0].Editors) != maxEditors {
		t.Errorf("%d posts, the first %d with %d people", len(posts), posts[0].ID, len(posts[0].Editors))
	}
}

// TestActivePostsHavePeople leaves out entries without a user, and posts with no others.
func TestActivePostsHavePeople(t *testing.T) {
	posts := findActivePosts([]presence.Entry{{Room: "postType/post:1"}, {Room: "postType/post:2"}, {Room: "postType/post:2", UserID: 7}})
	if len(posts) != 1 || posts[0].ID != 2 || len(posts[0].Editors) != 1 || posts[0].Editors[0].UserID != 7 {
		t.Errorf("%+v", posts)
	}
}

// TestTitlesOfAuthors checks that a title in an entry that a user has written is not shown: the
// plugin says the post's title. The list names no room as a post that only looks like one.
func TestTitlesOfAuthors(t *testing.T) {
	title, forged := "The post's title", json.RawMessage(`{"title":"Of the author"}`)
	for name, entries := range map[string][]presence.Entry{
		"of the author alone":  {{PostTitle: &title, Data: forged}},
		"of the author first":  {{PostTitle: &title, Data: forged}, {Data: json.RawMessage(`{"title":"The post's title"}`)}},
		"of a page first":      {{Data: json.RawMessage(`{"title":"An older title"}`)}, {PostTitle: &title, Data: forged}},
		"of a page":            {{Data: json.RawMessage(`{"title":"The post's title"}`)}},
		"without one in data":  {{PostTitle: &title, Data: json.RawMessage(`{}`)}},
		"besides one without":  {{Data: json.RawMessage(`{}`)}, {PostTitle: &title, Data: forged}},
		"of the author, twice": {{PostTitle: &title, Data: forged}, {PostTitle: &title, Data: forged}},
	} {
		for i := range entries {
			entries[i].Room, entries[i].UserID = "postType/post:42", int64(i+1)
		}
		if posts := findActivePosts(entries); len(posts) != 1 || posts[0].Title == nil || *posts[0].Title != title {
			t.Errorf("%s: %+v", name, posts)
		}
	}
	for _, room := range []string{"postType/weird:0", "postType/weird:042", "postType/weird:", "postType/:42", "postType/weird:99999999999999999999"} {
		if posts := findActivePosts([]presence.Entry{{Room: room, UserID: 1}}); len(posts) != 0 {
			t.Errorf("%s: %+v", room, posts)
		}
	}
}

// TestActivePostsFoldIdle makes one of several entries of a person: idle if all are.
func TestActivePostsFoldIdle(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		first, second presence.Activity
		ago           time.Duration // of the second
		want          bool
	}{
		{presence.Idle, presence.Idle, 0, true}, {presence.Idle, presence.Active, time.Minute, false}, {presence.Active, presence.Idle, 0, false},
		{presence.Idle, presence.Unreported, 10 * time.Second, false}, {presence.Idle, presence.Unreported, time.Minute, true},
		{presence.Unreported, presence.Idle, time.Minute, false},
	} {
		var p hook.ActivePost
		for _, e := range []presence.Entry{{UserID: 3, Idle: c.first}, {UserID: 3, Idle: c.second}} {
			if e.DateGMT = wordpress.Date(now.Add(-time.Second)); len(p.Editors) > 0 {
				e.DateGMT = wordpress.Date(now.Add(-c.ago))
			}
			addEditor(&p, e)
		}
		if len(p.Editors) != 1 || p.Editors[0].IsIdle(now) != c.want {
			t.Errorf("%+v: %+v", c, p.Editors)
		}
	}
}

// TestReportedTitles checks that a reported title replaces those in entries until tickets have it, and
// that reports may come in any order.
func TestReportedTitles(t *testing.T) {
	now := time.Now()
	var a ActivePosts
	title := func(after time.Duration) string {
		old := "Of the ticket"
		a.posts = []hook.ActivePost{{Post: wordpress.Post{ID: 42, Type: "post", Title: &old}}}
		a.useTitles(now.Add(after))
		return *a.posts[0].Title
	}
	a.setTitle(42, "B", 2000, now)
	a.setTitle(42, "A", 1000, now)
	if got := title(0); got != "B" {
		t.Errorf("after a late report of an older title: %s", got)
	}
	a.posts = nil
	a.useTitles(now) // nobody edits the post
	if got := title(titleLife / 2); got != "B" {
		t.Errorf("after the post was not in the list: %s", got)
	}
	a.setTitle(42, "C", 2000, now)
	if got := title(12 * time.Minute); got != "C" {
		t.Errorf("after a report at the same time: %s", got)
	}
	if got := title(14 * time.Minute); got != "Of the ticket" {
		t.Errorf("after tickets have the title: %s", got)
	}
}
