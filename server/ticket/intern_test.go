package ticket

import (
	"slices"
	"strconv"
	"testing"
)

// TestIntern shares equal lists, nothing else, and remembers no more than it may.
func TestIntern(t *testing.T) {
	var l interned[string]
	intern := func(list []string) []string { return internTexts(&l, list) }
	all := [][]string{nil, {}, {""}, {"", ""}, {"a"}, {"a", "b"}, {"a\x00b"}, {"a", ""}, {"b", "a"}}
	for range 2 {
		for _, list := range all {
			got := intern(slices.Clone(list))
			if !slices.Equal(got, list) || (got == nil) != (list == nil) {
				t.Errorf("%q is shared as %q", list, got)
			}
		}
	}
	a, b := intern([]string{"x", "y"}), intern([]string{"x", "y"})
	if &a[0] != &b[0] {
		t.Error("two lists that say the same are kept twice")
	}
	for i := range 3 * maxInterned {
		intern([]string{strconv.Itoa(i)})
		if len(l.lists) > maxInterned {
			t.Fatalf("%d lists are kept", len(l.lists))
		}
	}
	var ids interned[int64]
	x, y := internIDs(&ids, []int64{1, 23}), internIDs(&ids, []int64{1, 23})
	if &x[0] != &y[0] || slices.Equal(internIDs(&ids, []int64{12, 3}), x) || internIDs(&ids, nil) != nil {
		t.Error("lists of ids are not kept as they are")
	}
}
