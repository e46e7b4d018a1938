//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

const (
	// calm is how long pages and pushes go on before and after a fault.
	calm = 3 * time.Second
	// linkWait is how long a page may be without a link after a fault: the longest back-off, and the
	// time that a transport may take to open.
	linkWait = 45 * time.Second
)

// row is what happened in one round.
type row struct {
	fault    string
	pages    int
	lasted   time.Duration // the fault
	right    rightness
	pushes   delivered
	refused  int // pushes
	revoked  int
	beats    beats
	gapMost  time.Duration
	gapP99   time.Duration
	posts    int     // beats that the back end answered
	cpu      float64 // cores that the nodes used
	natsCPU  float64
	usage    usage
	lines    int            // that nodes have logged
	linkless map[string]int // pages without a link at the end, by kind

	postsBefore int // in the minute before the fault, if it is measured
	wrong       []string
}

// beats are the beats of a round.
type beats struct {
	begun, ticks, declines, posted, late, unasked, wrong int64
}

func (c *cluster) beats() beats {
	t := &c.world.Tally
	unasked, wrong := t.Wrong()
	return beats{t.Begun.Load(), t.Ticks.Load(), t.Declines.Load(), t.Posted.Load(), t.Late.Load(), unasked, wrong}
}

func (b beats) since(other beats) beats {
	return beats{
		b.begun - other.begun, b.ticks - other.ticks, b.declines - other.declines, b.posted - other.posted, b.late - other.late,
		b.unasked - other.unasked, b.wrong - other.wrong,
	}
}

// round makes a fault happen while pages come and go, and then checks everything.
func (c *cluster) round(ctx context.Context, f *fault) row {
	r := row{fault: f.name, linkless: make(map[string]int)}
	if f.minute {
		earlier, _ := c.backend.Posts()
		_ = pause(ctx, time.Minute)
		now, _ := c.backend.Posts()
		r.postsBefore = now - earlier
	}
	for _, p := range c.crowd.all() {
		p.Forget()
	}
	c.pusher.take()
	before, lines, started := c.beats(), c.logLines(), time.Now()
	then, err := c.usage()
	if err != nil {
		r.wrong = append(r.wrong, err.Error())
		return r
	}
	healed, revoker, err := c.live(ctx, f, &r)
	if err != nil {
		r.wrong = append(r.wrong, err.Error())
		return r
	}
	since := c.crowd.lastChange()
	if since.Before(healed) {
		since = healed
	}
	r.right = c.untilRight(ctx, f, since)
	c.waitLinks(ctx, healed.Add(linkWait))
	pushed, refused, _ := c.pusher.take()
	r.pushes, r.refused = deliveries(pushed, c.crowd.all(), healed), refused
	r.revoked = len(revoker.revoked)
	r.wrong = append(r.wrong, revoker.check()...)
	r.beats, r.lines = c.beats().since(before), c.logLines()-lines
	c.measurePages(&r)
	if r.usage, err = c.usage(); err != nil {
		r.wrong = append(r.wrong, err.Error())
	}
	elapsed := time.Since(started).Seconds()
	r.cpu, r.natsCPU = (r.usage.cpu-then.cpu).Seconds()/elapsed, (r.usage.natsCPU-then.natsCPU).Seconds()/elapsed
	r.judge(f, c)
	return r
}

// live makes a fault happen while pages come and go, data is pushed and users are logged out. It
// returns when the fault was over.
func (c *cluster) live(ctx context.Context, f *fault, r *row) (healed time.Time, revoker *revoker, err error) {
	live, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	revoker = newRevoker(c)
	all.Go(func() { c.crowd.churn(live) })
	all.Go(func() { c.pusher.run(live) })
	all.Go(func() { revoker.run(live, ctx) })
	_ = pause(ctx, calm)
	began := time.Now()
	before, _ := c.backend.Posts()
	err = f.run(ctx, c)
	healed = time.Now()
	r.lasted = healed.Sub(began)
	_ = pause(ctx, calm)
	if f.minute {
		_ = pause(ctx, time.Until(began.Add(time.Minute)))
	}
	after, _ := c.backend.Posts()
	r.posts = after - before
	stop()
	all.Wait()
	c.crowd.settle()
	return healed, revoker, err
}

// waitLinks waits until every page that can have a link has one, and shows the room of its post.
func (c *cluster) waitLinks(ctx context.Context, until time.Time) {
	for ctx.Err() == nil && time.Now().Before(until) {
		if !slices.ContainsFunc(c.crowd.all(), isLinkless) {
			return
		}
		_ = pause(ctx, checkEvery)
	}
}

func isLinkless(p *page.Page) bool {
	s := p.State()
	return s.HasLinks && !s.Shown && s.Out == ""
}

// measurePages measures how long pages were without a link.
func (c *cluster) measurePages(r *row) {
	var gaps []time.Duration
	for _, p := range c.crowd.all() {
		r.pages++
		if s := p.State(); s.HasLinks {
			gaps = append(gaps, s.Longest)
		}
		if isLinkless(p) {
			s := p.State()
			r.linkless[fmt.Sprintf("%s pages, blocked by code %d, linked without the room of their post: %v", p.Kind.Name, s.Blocked, s.Linked)]++
		}
		if s := p.State(); s.Out != "" {
			r.wrong = append(r.wrong, fmt.Sprintf("a %v has ended: %s", p, s.Out))
		}
	}
	if len(gaps) == 0 {
		return
	}
	slices.Sort(gaps)
	r.gapMost, r.gapP99 = gaps[len(gaps)-1], gaps[len(gaps)*99/100]
}

// maxHistories is how many pages' histories a report has.
const maxHistories = 3

// histories returns what has happened to the links of the pages that have none, or were without one for the longest time.
func (c *cluster) histories() (text string) {
	type gap struct {
		page     *page.Page
		linkless bool
		longest  time.Duration
	}
	var gaps []gap
	for _, p := range c.crowd.all() {
		gaps = append(gaps, gap{p, isLinkless(p), p.State().Longest})
	}
	slices.SortFunc(gaps, func(a, b gap) int {
		switch {
		case a.linkless == b.linkless:
			return cmp.Compare(b.longest, a.longest)
		case a.linkless:
			return -1
		}
		return 1
	})
	for _, g := range gaps[:min(maxHistories, len(gaps))] {
		text += fmt.Sprintf("\n        a %v, %v without a link:\n            %s", g.page, g.longest.Round(time.Millisecond), strings.Join(g.page.History(), "\n            "))
	}
	return text
}

func (c *cluster) logLines() (n int) {
	for _, node := range c.nodes {
		n += node.Lines()
	}
	return n
}

// judge adds what is wrong with the numbers.
func (r *row) judge(f *fault, c *cluster) {
	r.wrong = append(r.wrong, r.right.wrong...)
	r.judgePushes(f)
	r.mustNot(r.beats.unasked > 0, "%d beats were answered twice", r.beats.unasked)
	r.mustNot(r.beats.wrong > 0, "%d ticks are none", r.beats.wrong)
	slow := f.maxGap > 0 && r.gapMost > f.maxGap
	r.mustNot(slow, "a page had no link for %v", r.gapMost.Round(time.Millisecond))
	r.mustNot(len(r.linkless) > 0, "pages have no link: %v", r.linkless)
	if slow || len(r.linkless) > 0 {
		r.wrong[len(r.wrong)-1] += c.histories()
	}
	r.wrong = append(r.wrong, r.usage.growth(c.base)...)
}

func (r *row) judgePushes(f *fault) {
	p := &r.pushes
	r.mustNot(p.lost > 0, "%d deliveries of pushes are missing: %s", p.lost, p.example)
	r.mustNot(p.early > 0 && !f.losesStream, "pages were told that they have missed %d pushes that NATS still had", p.early)
	r.mustNot(p.disorder > 0, "%d pushes arrived after a later one of the same room: %s", p.disorder, p.example)
	r.mustNot(p.old > 0, "pages received %d pushes from before they were opened", p.old)
}

// mustNot notes something as wrong if it is so.
func (r *row) mustNot(is bool, format string, args ...any) {
	if is {
		r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
	}
}
