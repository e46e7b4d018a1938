//go:build linux

package main

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// TestNoteLeft checks which entries count as left: those that the same view, or the same page, had before.
func TestNoteLeft(t *testing.T) {
	ada, grace := place{site: "a", room: "r", client: "editor-1"}, place{site: "a", room: "r", client: "editor-2"}
	first, second := &page.Page{}, &page.Page{}
	has := func(list ...place) difference { return difference{found: list} }
	lacks := func(list ...place) difference { return difference{missing: list} }
	for name, c := range map[string]struct {
		reads []difference
		whole []bool // by default all
		left  []place
	}{
		"an entry leaves":                      {[]difference{has(ada, grace), {found: []place{ada}, missing: []place{grace}}}, nil, []place{grace}},
		"an entry comes late":                  {[]difference{lacks(ada), has(ada)}, nil, nil},
		"a page shows it late":                 {[]difference{has(by(first, []place{ada})...), {found: by(first, []place{ada}), missing: by(second, []place{ada})}}, nil, nil},
		"a page showed it before its new link": {[]difference{has(by(first, []place{ada})...), has(), lacks(by(first, []place{ada})...)}, nil, []place{ada}},
		"two pages lose it":                    {[]difference{has(append(by(first, []place{ada}), by(second, []place{ada})...)...), lacks(append(by(first, []place{ada}), by(second, []place{ada})...)...)}, nil, []place{ada}},
		"a node cannot write":                  {[]difference{has(ada), lacks(ada), lacks(ada)}, []bool{true, false, true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := &view{left: make(map[place]bool), found: make(map[place]bool)}
			for i, d := range c.reads {
				v.read = func() (difference, error) { return d, nil }
				v.compare(c.whole == nil || c.whole[i])
			}
			if got := slices.Collect(maps.Keys(v.left)); !slices.Equal(got, c.left) {
				t.Errorf("%v left, want %v", got, c.left)
			}
		})
	}
	v := &view{read: func() (difference, error) { return difference{}, errors.New("no answer") }}
	if v.compare(true) {
		t.Error("a view that cannot be read is right")
	}
}
