package server

import (
	"slices"
	"strconv"
	"testing"
)

// TestLists shares what says the same, nothing else, and remembers no more than it may.
func TestLists(t *testing.T) {
	var l lists
	all := [][]string{nil, {}, {""}, {"", ""}, {"a"}, {"a", "b"}, {"a\x00b"}, {"a", ""}, {"b", "a"}}
	for range 2 {
		for _, list := range all {
			got := l.share(slices.Clone(list))
			if !slices.Equal(got, list) || (got == nil) != (list == nil) {
				t.Errorf("%q is shared as %q", list, got)
			}
		}
	}
	a, b := l.share([]string{"x", "y"}), l.share([]string{"x", "y"})
	if &a[0] != &b[0] {
		t.Error("two lists that say the same are kept twice")
	}
	for i := range 3 * maxLists {
		l.share([]string{strconv.Itoa(i)})
		if len(l.kept) > maxLists {
			t.Fatalf("%d lists are kept", len(l.kept))
		}
	}
}
