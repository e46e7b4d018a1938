package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestActivePostsAreBounded cuts the posts and the people.
func TestActivePostsAreBounded(t *testing.T) {
	var entries []broker.Entry
	for post := range maxActivePosts + 10 {
		for user := range maxEditors + 10 {
			entries = append(entries, broker.Entry{Room: fmt.Sprintf("postType/post:%d", post), UserID: int64(user), DateGMT: fmt.Sprintf("2026-11-23 05:20:%02d", post)})
		}
	}
	entries = append(entries, broker.Entry{Room: "postType/late:1", DateGMT: "2026-11-23 05:19:00"})
	posts, types := findActivePosts(entries)
	if len(posts) != maxActivePosts || posts[0].ID != maxActivePosts+9 || len(posts[0].Editors) != maxEditors || fmt.Sprint(types) != "[post late]" {
		t.Errorf("%d posts, the first %d with %d people, types %v", len(posts), posts[0].ID, len(posts[0].Editors), types)
	}
}

// TestActivePostsFoldIdle makes one of several entries of a person: idle if all are.
func TestActivePostsFoldIdle(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		first, second broker.Activity
		ago           time.Duration // of the second
		want          bool
	}{
		{broker.Idle, broker.Idle, 0, true}, {broker.Idle, broker.Active, time.Minute, false}, {broker.Active, broker.Idle, 0, false},
		{broker.Idle, broker.Unreported, 10 * time.Second, false}, {broker.Idle, broker.Unreported, time.Minute, true},
		{broker.Unreported, broker.Idle, time.Minute, false},
	} {
		var p hook.ActivePost
		for _, e := range []broker.Entry{{UserID: 3, Idle: c.first}, {UserID: 3, Idle: c.second}} {
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
