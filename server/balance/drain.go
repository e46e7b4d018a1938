package balance

import (
	"context"
	"slices"
	"time"
)

const (
	// fastest is the longest time between two pages that leave: a few pages are not spread over
	// all of the drain time.
	fastest = 10 * time.Millisecond
	// look is how often a node that drains looks for pages that are left, and lookPage the
	// time that it waits in addition for each of them.
	look     = 20 * time.Millisecond
	lookPage = 2 * time.Microsecond
	// At most one of movingShare pages, or minMoving if there are few, were asked within their patience and have not left:
	// more would only make the other nodes slow.
	minMoving   = 50
	movingShare = 20
	// atOnce is the time between two pages of a node without others. A connection that is being
	// closed has a goroutine of its own, so not all of many thousands are closed at the same moment.
	atOnce = 20 * time.Microsecond
)

// Begin says that the node takes no more pages. Retry depends on it.
func (b *Balancer) Begin() {
	b.leaving.Store(int64(b.Count()))
	b.draining.Store(true)
}

// Drain makes all pages leave within d, and returns how many are left when ctx ends. If there is
// another node, it asks them to move during the first half of d, so that they have their next
// link before they lose this one; if the other nodes are slow, that takes longer. In the third quarter
// it waits for those that try again, because the load balancer has chosen this node for them. It closes
// the connections of the others during the last quarter: an older client does not know the request. If
// there is no other node, it closes the connections at once: the pages can only go to a process that
// starts when this one has ended.
func (b *Balancer) Drain(ctx context.Context, d time.Duration) (left int) {
	b.tell()
	pages, end := b.Pages(), time.Now().Add(d)
	over := min(d, time.Duration(len(pages))*atOnce)
	if b.Others() > 0 {
		over = d / 4
		moving, stop := context.WithDeadline(ctx, end.Add(-over))
		defer stop()
		b.spread(moving, pages, d/2, b.mover(moving, len(pages), patience(d-over)))
		for rest := slices.Clone(pages); ; {
			rest = slices.DeleteFunc(rest, func(p Page) bool { return !p.Connected() })
			if len(rest) == 0 || time.Until(end) <= over {
				break
			}
			if !b.wait(ctx, look+time.Duration(len(rest))*lookPage) {
				return b.left(pages)
			}
		}
	}
	b.spread(ctx, pages, over, func(p Page) { p.Bye(b.Retry()) })
	return b.left(pages)
}

// patience returns for how long a page that was asked to move may hold up the others, so that all are asked within d, although
// the other nodes are slow and some clients do not know the request. That is possible if d is more than half a second.
func patience(d time.Duration) time.Duration { return d/movingShare - 2*look }

// mover returns a function that asks a page to move as soon as few others are on their way. When ctx has ended, the
// function does nothing.
func (b *Balancer) mover(ctx context.Context, pages int, patience time.Duration) func(Page) {
	type asked struct {
		Page
		at time.Time
	}
	var moving []asked
	most := max(minMoving, pages/movingShare)
	return func(p Page) {
		for len(moving) >= most {
			if !b.wait(ctx, look) {
				return
			}
			moving = slices.DeleteFunc(moving, func(m asked) bool { return !m.Connected() || time.Since(m.at) > patience })
		}
		if ctx.Err() == nil {
			p.Move()
			moving = append(moving, asked{p, time.Now()})
		}
	}
}

// left returns how many pages have a connection.
func (b *Balancer) left(pages []Page) (n int) {
	for _, p := range pages {
		if p.Connected() {
			n++
		}
	}
	return n
}

// spread calls f with the pages that have a connection, evenly over d, until the node stops or ctx ends.
func (b *Balancer) spread(ctx context.Context, pages []Page, d time.Duration, f func(Page)) {
	apart := min(d/time.Duration(max(1, len(pages))), fastest)
	started := time.Now()
	for i, p := range pages {
		if !p.Connected() {
			continue
		}
		f(p)
		ahead := time.Until(started.Add(time.Duration(i+1) * apart))
		if ahead < time.Millisecond {
			continue // timers are not exact enough for shorter waits
		}
		if !b.wait(ctx, ahead) {
			return
		}
	}
}

// wait waits, and returns false if the node stops, or ctx ends, before that.
func (b *Balancer) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.Stop:
	case <-ctx.Done():
	}
	return false
}
