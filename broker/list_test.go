package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

func ids(entries []presence.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s/%s ", e.Room, e.ClientID)
	}
	return strings.TrimSpace(b.String())
}

func TestListPagination(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	v, _ := watch(t, b, "site")
	const people = 2*presence.MaxListed + 50
	for i := range people {
		b.Hold(page("r", fmt.Sprintf("user-%03d", i), "a"), at(i%60, "x"))
	}
	var paged []presence.Entry
	for skip := 0; ; skip += 100 {
		part, total := v.List(presence.Filter{Room: "r"}, skip, 100)
		if total != people {
			t.Fatalf("total %d, want %d", total, people)
		}
		if len(part) == 0 {
			break
		}
		paged = append(paged, part...)
	}
	inOrder := slices.IsSortedFunc(paged, func(a, b presence.Entry) int {
		return strings.Compare(b.DateGMT+a.ClientID, a.DateGMT+b.ClientID)
	})
	if len(paged) != people || !inOrder {
		t.Errorf("%d entries, want %d; sorted: %v", len(paged), people, inOrder)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	v, _ := watch(t, b, "site")
	put := func(room, id, conn string, user int64) {
		s := at(1, "x")
		s.UserID = user
		b.Hold(page(room, id, conn), s)
	}
	put("postType/post:42", "editor-1", "a", 1)
	put("postType/post:42", "lock-1", "a", 1)
	put("postType/page:7", "editor-2", "a", 2)
	put("admin/online", "user-1", "a", 1)
	put("admin/online", "user-1", "b", 1)
	b.Hold(presence.Key{Site: "other", Room: "admin/online", ClientID: "user-9", Conn: "a"}, at(1, "x"))
	for _, c := range []struct {
		filter presence.Filter
		want   string
		keys   int
	}{
		{presence.Filter{}, "admin/online/user-1 postType/page:7/editor-2 postType/post:42/editor-1 postType/post:42/lock-1", 5},
		{presence.Filter{Prefix: "postType/post:"}, "postType/post:42/editor-1 postType/post:42/lock-1", 2},
		{presence.Filter{Room: "postType/post:42", ClientID: "lock-1"}, "postType/post:42/lock-1", 1},
		{presence.Filter{UserID: 1}, "admin/online/user-1 postType/post:42/editor-1 postType/post:42/lock-1", 4},
		{presence.Filter{UserID: 2, Room: "admin/online"}, "", 0},
		{presence.Filter{Room: "nowhere"}, "", 0},
		{presence.Filter{NoUser: true}, "", 0},
	} {
		t.Run(fmt.Sprintf("%+v", c.filter), func(t *testing.T) {
			entries, total := v.List(c.filter, 0, 100)
			if got := ids(entries); got != c.want || total != len(entries) || len(v.Keys(c.filter)) != c.keys || len(v.Shown(c.filter)) != total {
				t.Errorf("%q of %d, keys %v", got, total, v.Keys(c.filter))
			}
		})
	}
	if entries, total := v.List(presence.Filter{}, 3, 100); len(entries) != 1 || total != 4 {
		t.Errorf("the last page: %s of %d", ids(entries), total)
	}
	if entries, total := v.List(presence.Filter{}, 100, 100); len(entries) != 0 || total != 4 {
		t.Errorf("after the last page: %s of %d", ids(entries), total)
	}
}
