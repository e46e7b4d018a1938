//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

const (
	postsOfSite = 10
	// churnOf is after how many seconds as many pages as there are have been closed or opened.
	churnOf = 60
	// awayMax is how long a user is away at most who goes to another page.
	awayMax = 500 * time.Millisecond
)

// crowd has the open pages, and so knows the truth: who is in which room.
type crowd struct {
	world *page.World
	kinds []page.Kind
	seed  uint64
	sites []machine.Site
	tasks sync.WaitGroup // pages that are being closed

	mu      sync.Mutex // guards the following fields
	rng     *rand.Rand
	pages   []*page.Page
	opened  uint64
	lastID  int64
	ended   []*page.Page // whose users were logged out
	changed time.Time    // when a page was last opened or closed, or a revocation accepted
}

func newCrowd(w *page.World, kinds []page.Kind, seed uint64, sites []machine.Site) *crowd {
	return &crowd{world: w, kinds: kinds, seed: seed, sites: sites, rng: rand.New(rand.NewPCG(seed, 0))}
}

// open opens n pages.
func (c *crowd) open(n int) {
	for i := range n {
		c.mu.Lock()
		c.openPage(c.newPlace(c.sites[i%len(c.sites)].ID))
		c.mu.Unlock()
		if i%50 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// newPlace returns where a new page is: that of a new user, in most cases.
func (c *crowd) newPlace(site string) backend.Place {
	c.lastID++
	p := backend.Place{User: backend.User{Site: site, ID: c.lastID}}
	if c.rng.IntN(10) == 0 {
		if other := c.anyPage(site); other != nil {
			p.User = other.User // a second tab
		}
	}
	return c.move(p)
}

// move returns a new page of the user of another.
func (c *crowd) move(p backend.Place) backend.Place {
	c.opened++
	p.Conn, p.Screen, p.Post = fmt.Sprintf("connection-%d-%d", c.seed, c.opened), fmt.Sprint("screen-", c.opened), 0
	if c.rng.IntN(10) < 4 {
		p.Post = 1 + c.rng.Int64N(postsOfSite)
	}
	return p
}

// openPage opens a page, of a new user if the user has been logged out.
func (c *crowd) openPage(place backend.Place) {
	if c.world.Backend.IsOut(place.User) {
		c.lastID++
		place.User.ID = c.lastID
	}
	kind := c.kinds[c.rng.IntN(len(c.kinds))]
	c.pages = append(c.pages, page.Open(c.world, place, kind, c.seed, c.opened))
	c.changed = time.Now()
}

// anyPage returns a random page of a site, or of any if site is empty.
func (c *crowd) anyPage(site string) *page.Page {
	for range 10 {
		if len(c.pages) == 0 {
			return nil
		}
		if p := c.pages[c.rng.IntN(len(c.pages))]; site == "" || p.User.Site == site {
			return p
		}
	}
	return nil
}

// take removes a page from the open ones.
func (c *crowd) take(p *page.Page) {
	for i, other := range c.pages {
		if other == p {
			c.pages[i] = c.pages[len(c.pages)-1]
			c.pages = c.pages[:len(c.pages)-1]
			break
		}
	}
	c.changed = time.Now()
}

// churn closes and opens pages until ctx ends.
func (c *crowd) churn(ctx context.Context) {
	c.mu.Lock()
	wait := churnOf * time.Second / time.Duration(max(1, len(c.pages)))
	c.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		c.mu.Lock()
		if p := c.anyPage(""); p != nil {
			c.take(p)
			goes := c.rng.IntN(2) == 0
			away := time.Duration(c.rng.Int64N(int64(awayMax)))
			next := c.newPlace(p.User.Site)
			if goes {
				next = c.move(p.Place)
			}
			c.tasks.Go(func() {
				p.Close()
				time.Sleep(away)
				c.mu.Lock()
				defer c.mu.Unlock()
				c.openPage(next)
			})
		}
		c.mu.Unlock()
	}
}

// settle waits until the pages of churn are open.
func (c *crowd) settle() { c.tasks.Wait() }

// logOut ends the log-in of a random user, and opens another page. It returns the user, and their
// pages.
func (c *crowd) logOut(ctx context.Context) (u backend.User, pages []*page.Page, err error) {
	c.mu.Lock()
	one := c.anyPage("")
	if one == nil {
		c.mu.Unlock()
		return u, nil, nil
	}
	u = one.User
	for _, p := range c.pages {
		if p.User == u {
			pages = append(pages, p)
		}
	}
	for _, p := range pages {
		c.take(p)
	}
	for range pages {
		c.openPage(c.newPlace(u.Site))
	}
	c.ended = append(c.ended, pages...)
	c.mu.Unlock()
	err = c.world.Backend.LogOut(ctx, u)
	c.mu.Lock()
	c.changed = time.Now()
	c.mu.Unlock()
	return u, pages, err
}

// number returns a random number below n.
func (c *crowd) number(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// all returns the open pages.
func (c *crowd) all() []*page.Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*page.Page(nil), c.pages...)
}

// lastChange returns when the truth has last changed.
func (c *crowd) lastChange() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// close closes all pages.
func (c *crowd) close() {
	c.settle()
	var all sync.WaitGroup
	c.mu.Lock()
	for _, p := range append(c.pages, c.ended...) {
		all.Go(p.Close)
	}
	c.mu.Unlock()
	all.Wait()
}
