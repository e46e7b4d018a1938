//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

const (
	// pushesPerSecond is how many pushes all sites together make.
	pushesPerSecond = 10
	// lateAfter is how long a push may take to a page after it was accepted and the fault is over.
	lateAfter = 5 * time.Second
)

// push is a push that heartbeatd has accepted.
type push struct {
	n              int
	site           string
	to             backend.To
	sent, accepted time.Time
}

// pusher pushes numbered data, at each site one after the other, so that the numbers are in the
// order of the stream.
type pusher struct {
	backend *backend.Backend
	crowd   *crowd
	seed    uint64
	last    atomic.Int64

	mu      sync.Mutex // guards the following fields
	pushed  []push
	refused int
	reason  error // of the last one that was refused
}

func newPusher(b *backend.Backend, c *crowd, seed uint64) *pusher {
	return &pusher{backend: b, crowd: c, seed: seed}
}

// run pushes until ctx ends, and waits for the last answers.
func (p *pusher) run(ctx context.Context) {
	var all sync.WaitGroup
	sites := p.crowd.sites
	for i, site := range sites {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(p.seed, uint64(i)))
			every := time.Duration(len(sites)) * time.Second / pushesPerSecond
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Duration(rng.Int64N(int64(2 * every)))):
				}
				p.push(site.ID, p.target(rng, site.ID))
			}
		})
	}
	all.Wait()
}

// target returns the target of the next push: a post, a user, or everybody of the site.
func (p *pusher) target(rng *rand.Rand, site string) backend.To {
	switch rng.IntN(4) {
	case 0:
		p.crowd.mu.Lock()
		defer p.crowd.mu.Unlock()
		if one := p.crowd.anyPage(site); one != nil {
			return backend.To{User: one.User.ID}
		}
	case 1:
		return backend.To{All: true}
	case 2:
		return backend.To{Room: backend.AdminRoom}
	}
	return backend.To{Room: backend.PostRoom(1 + rng.Int64N(postsOfSite))}
}

func (p *pusher) push(site string, to backend.To) {
	one := push{n: int(p.last.Add(1)), site: site, to: to, sent: time.Now()}
	_, err := p.backend.Push(context.Background(), site, to, map[string]int{"n": one.n})
	one.accepted = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.refused++
		p.reason = err
		return
	}
	p.pushed = append(p.pushed, one)
}

// take returns the pushes since the last call.
func (p *pusher) take() (pushed []push, refused int, reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pushed, refused, reason = p.pushed, p.refused, p.reason
	p.pushed, p.refused, p.reason = nil, 0, nil
	return pushed, refused, reason
}

// reaches reports whether a push is for a page.
func (p *push) reaches(one *page.Page) bool {
	return one.User.Site == p.site && (p.to.All || p.to.User == one.User.ID ||
		p.to.Room == backend.AdminRoom || p.to.Room != "" && p.to.Room == one.Room())
}

// delivered is what became of pushes.
type delivered struct {
	accepted, deliveries              int
	lost, missed, late, old, disorder int
	early                             int           // of those missed, pushes that NATS still had when the fault was over
	longest                           time.Duration // of a delivery, after the push was accepted and the fault over
	example                           string
}

// deliveries compares the pushes of a round with what the pages with a link have received. healed is when
// the fault was over.
func deliveries(pushed []push, pages []*page.Page, healed time.Time) (d delivered) {
	d.accepted = len(pushed)
	byNumber := make(map[int]*push)
	for i := range pushed {
		byNumber[pushed[i].n] = &pushed[i]
	}
	for _, one := range pages {
		s := one.State()
		if s.Linked && s.Out == "" {
			d.page(one, &s, pushed, byNumber, healed)
		}
	}
	return d
}

func (d *delivered) page(one *page.Page, s *page.State, pushed []push, byNumber map[int]*push, healed time.Time) {
	got := make(map[int]bool)
	last := make(map[backend.To]int)
	for _, r := range s.Received {
		got[r.N] = true
		p := byNumber[r.N]
		if p == nil {
			continue // its answer was an error, or it is of an earlier round
		}
		d.deliveries++
		if r.N < last[p.to] {
			d.disorder++
			d.example = fmt.Sprintf("%v received push %d to %+v after %d", one, r.N, p.to, last[p.to])
		}
		last[p.to] = max(last[p.to], r.N)
		if p.accepted.Before(one.Opened.Add(-clock.Tolerance)) {
			d.old++
		}
		from := p.accepted
		if from.Before(healed) {
			from = healed
		}
		d.longest = max(d.longest, r.At.Sub(from))
		if r.At.Sub(from) > lateAfter {
			d.late++
		}
	}
	for i := range pushed {
		p := &pushed[i]
		if got[p.n] || !p.reaches(one) || s.First.IsZero() || !s.First.Before(p.sent) {
			continue
		}
		told := false
		for _, at := range s.Missed {
			told = told || at.After(p.sent)
		}
		if told {
			d.missed++
			if healed.Sub(p.accepted) < topic.PushAge-lateAfter {
				d.early++
			}
			continue
		}
		d.lost++
		d.example = fmt.Sprintf("%v, linked %v, has not received push %d to %+v, sent %v before the fault was over", one, s.Linked, p.n, p.to, healed.Sub(p.sent).Round(time.Millisecond))
	}
}
