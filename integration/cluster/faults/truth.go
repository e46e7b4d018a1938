//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// place is one entry of a room.
type place struct {
	site, room, client string
	page               *page.Page // that shows the entry, in what pages show
}

func (p place) String() string { return p.site + " " + p.room + " " + p.client }

// presences are the entries of rooms with their screens. An empty screen matches every other: it
// is that of a user with several pages.
type presences map[place]string

// truth returns who is in which room.
func (c *crowd) truth() presences {
	t := make(presences)
	add := func(p place, screen string) {
		if _, known := t[p]; known {
			screen = ""
		}
		t[p] = screen
	}
	for _, p := range c.all() {
		if p.State().Out != "" {
			continue
		}
		add(place{site: p.User.Site, room: backend.AdminRoom, client: fmt.Sprint("user-", p.User.ID)}, p.Screen)
		if p.Post != 0 {
			add(place{site: p.User.Site, room: p.Room(), client: fmt.Sprint("editor-", p.User.ID)}, "")
		}
	}
	return t
}

// of returns the entries of one room.
func (p presences) of(site, room string) presences {
	t := make(presences)
	for k, screen := range p {
		if k.site == site && k.room == room {
			t[k] = screen
		}
	}
	return t
}

// difference is what a view has wrong, and which entries it has that it must have.
type difference struct {
	ghosts, missing, stale []place
	found                  []place
}

// compare compares a view with the truth.
func (p presences) compare(view presences) (d difference) {
	for k, screen := range p {
		seen, found := view[k]
		if !found {
			d.missing = append(d.missing, k)
			continue
		}
		d.found = append(d.found, k)
		if screen != "" && seen != "" && screen != seen {
			d.stale = append(d.stale, k)
		}
	}
	for k := range view {
		if _, found := p[k]; !found {
			d.ghosts = append(d.ghosts, k)
		}
	}
	return d
}

func (d *difference) isNone() bool { return len(d.ghosts)+len(d.missing)+len(d.stale) == 0 }

// String names some of the entries.
func (d difference) String() string {
	const most = 3
	text := ""
	for _, kind := range []struct {
		name string
		list []place
	}{{"ghosts", d.ghosts}, {"missing", d.missing}, {"with an old screen", d.stale}} {
		if len(kind.list) > 0 {
			names := slices.SortedFunc(maps.Keys(setOf(kind.list)), func(a, b place) int { return compareText(a.String(), b.String()) })
			text += fmt.Sprintf(" %d %s, as %v;", len(kind.list), kind.name, names[:min(most, len(names))])
		}
	}
	return text
}

// by returns the entries as what a page shows.
func by(p *page.Page, list []place) (shown []place) {
	for _, k := range list {
		k.page = p
		shown = append(shown, k)
	}
	return shown
}

// entry is the place without the page that shows it.
func (p place) entry() place {
	p.page = nil
	return p
}

// setOf returns the entries, whatever shows them.
func setOf(list []place) map[place]bool {
	set := make(map[place]bool)
	for _, p := range list {
		set[p.entry()] = true
	}
	return set
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
