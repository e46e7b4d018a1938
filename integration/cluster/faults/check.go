//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
)

const (
	// graceTime is how long entries outlive the connection of their page.
	graceTime = 10 * time.Second
	// margin is how much longer than a lifetime it may take until everything is right.
	margin = 5 * time.Second
	// checkEvery is the time between two comparisons.
	checkEvery = 500 * time.Millisecond
)

// allowed is how long it may take until every view is right: the lifetime of an entry that nobody
// renews, or the grace period of the last pages that were closed.
func (c *cluster) allowed() time.Duration { return max(bucket.Lifetime(c.ttl), graceTime) + margin }

// view is something that shows who is in which room.
type view struct {
	name string
	read func() (difference, error)

	wrongAt   time.Time // when it was last wrong
	last      difference
	err       error
	found     map[place]bool // entries that it had, in comparisons that count
	left      map[place]bool // entries that it had and then not, though nobody left
	restarted bool           // these do not count: the view began again with nothing, and does not know all pages of a user yet
}

// compare compares the view with the truth, and reports whether it is right. whole says that every node reads and
// writes presence: otherwise entries come and go, since a node without NATS cannot renew them.
func (v *view) compare(whole bool) bool {
	begun := time.Now()
	v.last, v.err = v.read()
	if v.err != nil {
		v.wrongAt = begun
		return false
	}
	v.noteLeft(whole && !v.restarted)
	if !v.last.isNone() {
		v.wrongAt = begun
	}
	return v.last.isNone()
}

// noteLeft notes which entries left, if they count. A page that had no link may show less with the next one: these
// entries have left, too.
func (v *view) noteLeft(counts bool) {
	if !counts {
		clear(v.found)
		return
	}
	for _, k := range v.last.missing {
		if v.found[k] {
			delete(v.found, k)
			v.left[k.entry()] = true
		}
	}
	for _, k := range v.last.found {
		v.found[k] = true
	}
}

// views returns everything that is compared with the truth, which no longer changes. restarted says that the examples of
// observers may have started again.
func (c *cluster) views(restarted bool) (list []*view) {
	truth := c.crowd.truth()
	sites, onNodes := c.listed(truth)
	for _, n := range c.nodes {
		list = append(list, &view{name: n.Name, read: func() (difference, error) {
			seen, err := listOf(n, sites)
			return onNodes.compare(seen), err
		}})
	}
	list = append(list, &view{name: "Observe", read: func() (difference, error) { return truth.compare(c.watchers.observed()), nil }})
	room := truth.of(c.sites[0].ID, backend.AdminRoom)
	for _, s := range c.watchers.scripts {
		list = append(list, &view{name: s.name, restarted: restarted, read: func() (difference, error) { return room.compare(s.observed()), nil }})
	}
	list = append(list, &view{name: "pages", read: func() (difference, error) { return c.pagesDifference(truth), nil }})
	for _, v := range list {
		v.left, v.found = make(map[place]bool), make(map[place]bool)
	}
	return list
}

// pagesDifference compares what pages show of the rooms of their posts.
func (c *cluster) pagesDifference(truth presences) (all difference) {
	rooms := make(map[place]presences)
	for k := range truth {
		room := place{site: k.site, room: k.room}
		if rooms[room] == nil {
			rooms[room] = make(presences)
		}
		rooms[room][k] = ""
	}
	for _, p := range c.crowd.all() {
		s := p.State()
		if !s.Shown || p.Post == 0 {
			continue
		}
		seen := make(presences)
		for _, client := range s.PostRoom {
			seen[place{site: p.User.Site, room: p.Room(), client: client}] = ""
		}
		d := rooms[place{site: p.User.Site, room: p.Room()}].compare(seen)
		all.ghosts, all.missing = append(all.ghosts, d.ghosts...), append(all.missing, by(p, d.missing)...)
		all.found = append(all.found, by(p, d.found)...)
	}
	return all
}

// rightness is how the views became right.
type rightness struct {
	took                   time.Duration // until all were right, from the last change
	by                     string        // the last view that was not
	ghosts, missing, stale int           // of the worst view, when it had to be right
	left                   int           // entries of the worst view that left in between, though their pages were open
	wrong                  []string
}

// untilRight compares the views with the truth until they must be right, and as long again if they
// are not. since is when the truth last changed, or the fault was over.
func (c *cluster) untilRight(ctx context.Context, f *fault, since time.Time) (r rightness) {
	views := c.views(f.killsNATS)
	limit := since.Add(c.allowed())
	judged := false
	for ctx.Err() == nil {
		whole := c.isWhole()
		right := true
		for _, v := range views {
			right = v.compare(whole) && right
		}
		if now := time.Now(); now.After(limit) && !judged {
			judged = true
			r.judge(views, c.allowed())
		}
		if judged && (right || time.Now().After(limit.Add(c.allowed()))) {
			break
		}
		_ = pause(ctx, checkEvery)
	}
	var still []string
	for _, v := range views {
		if len(v.left) > 0 {
			r.left = max(r.left, len(v.left))
			r.wrong = append(r.wrong, fmt.Sprintf("%s: %d entries left in between, though their pages were open, as %v", v.name, len(v.left), c.describe(v.left)))
		}
		if took := v.wrongAt.Sub(since); took > r.took {
			r.took, r.by = took, v.name
		}
		if v.err != nil || !v.last.isNone() {
			still = append(still, v.name)
		}
	}
	if len(still) > 0 {
		r.wrong = append(r.wrong, fmt.Sprintf("after %v still wrong: %s", time.Since(since).Round(time.Second), strings.Join(still, ", ")))
	}
	return r
}

// isWhole reports whether every node reads and writes presence.
func (c *cluster) isWhole() bool {
	return !slices.ContainsFunc(c.nodes, func(n *machine.Node) bool {
		status, broken := n.Ready()
		return status != http.StatusOK || slices.Contains(broken, "nats") || slices.Contains(broken, "jetstream") || slices.Contains(broken, "presence")
	})
}

// describe names a few entries with the pages that they are of.
func (c *cluster) describe(entries map[place]bool) (text []string) {
	for _, k := range slices.SortedFunc(maps.Keys(entries), func(a, b place) int { return compareText(a.String(), b.String()) }) {
		if len(text) == 3 {
			break
		}
		for _, p := range c.crowd.all() {
			if p.User.Site == k.site && strings.HasSuffix(k.client, fmt.Sprint("-", p.User.ID)) {
				s := p.State()
				text = append(text, fmt.Sprintf("%s of a %v, linked: %v, longest time without a link %v", k.room, p, s.Linked, s.Longest.Round(time.Millisecond)))
			}
		}
	}
	return text
}

// judge notes which views are wrong when they must be right.
func (r *rightness) judge(views []*view, allowed time.Duration) {
	for _, v := range views {
		if v.err != nil {
			r.wrong = append(r.wrong, fmt.Sprintf("%s: %v", v.name, v.err))
			continue
		}
		if !v.last.isNone() {
			r.wrong = append(r.wrong, fmt.Sprintf("%s is wrong after %v:%v", v.name, allowed, v.last))
		}
		r.ghosts, r.missing, r.stale = max(r.ghosts, len(v.last.ghosts)), max(r.missing, len(v.last.missing)), max(r.stale, len(v.last.stale))
	}
}
