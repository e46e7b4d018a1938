package sessionindex

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIndex adds and removes sessions in random order, and compares the index with a list.
func TestIndex(t *testing.T) {
	type session struct {
		site string
		user int64
		id   int
	}
	random := rand.New(rand.NewPCG(1, 2))
	x, list := make(Index[session]), []session(nil)
	for id := range 2000 {
		if len(list) > 0 && random.IntN(2) == 0 {
			i := random.IntN(len(list))
			s := list[i]
			list = slices.Delete(list, i, i+1)
			x.Remove(s.site, s.user, s)
			x.Remove(s.site, s.user, s) // twice is the same as once
		} else {
			s := session{fmt.Sprint("site-", random.IntN(3)), int64(1 + random.IntN(4)), id}
			list = append(list, s)
			x.Add(s.site, s.user, s)
		}
		site, user := fmt.Sprint("site-", random.IntN(3)), int64(random.IntN(5))
		var want []session
		all := 0
		for _, s := range list {
			if s.site == site {
				all++
				if user == 0 || user == s.user {
					want = append(want, s)
				}
			}
		}
		got := slices.SortedFunc(x.Of(site, user), func(a, b session) int { return a.id - b.id })
		if !slices.Equal(got, want) || x.Count(site) != all {
			t.Fatalf("%d sessions of user %d of %s, %d of the site; want %d and %d", len(got), user, site, x.Count(site), len(want), all)
		}
	}
	for _, s := range list {
		x.Remove(s.site, s.user, s)
	}
	if len(x) != 0 {
		t.Errorf("%d sites are left", len(x))
	}
}
