package ticket

import (
	"slices"
	"strconv"
	"testing"
)

// TestIntern shares equal lists, nothing else, and remembers no more than it may.
func TestIntern(t *testing.T) {
	var l interned
	all := [][]string{nil, {}, {""}, {"", ""}, {"a"}, {"a", "b"}, {"a\x00b"}, {"a", ""}, {"b", "a"}}
	for range 2 {
		for _, list := range all {
			got := l.intern(slices.Clone(list))
			if !slices.Equal(got, list) || (got == nil) != (list == nil) {
				t.Errorf("%q is shared as %q", list, got)
			}
		}
	}
	a, b := l.intern([]string{"x", "y"}), l.intern([]string{"x", "y"})
	if &a[0] != &b[0] {
		t.Error("two lists that say the same are kept twice")
	}
	for i := range 3 * maxInterned {
		l.intern([]string{strconv.Itoa(i)})
		if len(l.lists) > maxInterned {
			t.Fatalf("%d lists are kept", len(l.lists))
		}
	}
}
