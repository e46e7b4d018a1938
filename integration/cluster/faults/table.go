//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// runFaults runs a round for each fault, in a random order, until the time is over. It returns
// what was wrong.
func (c *cluster) runFaults(ctx context.Context, list []*fault) error {
	if err := c.prepare(ctx, list); err != nil {
		return err
	}
	fmt.Println(heading)
	end := time.Now().Add(time.Duration(c.minutes * float64(time.Minute)))
	order := rand.New(rand.NewPCG(c.seed, 1))
	var wrong []string
	var rows []row
	for first := true; first || time.Now().Before(end) && len(list) > 1; first = false {
		for _, i := range order.Perm(len(list)) {
			if !first && time.Now().After(end) {
				break
			}
			r := c.round(ctx, list[i])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Println(r.String())
			rows = append(rows, r)
			for _, text := range r.wrong {
				fmt.Println("    wrong: " + text)
				wrong = append(wrong, r.fault+": "+text)
			}
		}
	}
	fmt.Println(table(rows))
	if len(wrong) > 0 {
		return fmt.Errorf("%d faults found with seed %d:\n%w", len(wrong), c.seed, errors.New(strings.Join(wrong, "\n")))
	}
	return nil
}

const heading = `fault           pages lasted right  ghosts missing stale left | pushes refused deliveries lost told late old disorder slowest | revoked | beats ticks declines posted late | no link: p99 longest | PHP before | goroutines files heap | CPU: nodes NATS | log lines`

func (r *row) String() string {
	p, b := &r.pushes, &r.beats
	return fmt.Sprintf("%-15s %5d %5.1fs %5.1fs %6d %7d %5d %4d | %6d %7d %10d %4d %4d %4d %3d %8d %6.1fs | %7d | %5d %5d %8d %6d %4d | %10.1fs %7.1fs | %3d %6d | %10d %5d %3dM | %8.0f%% %3.0f%% | %d (%s)",
		r.fault, r.pages, r.lasted.Seconds(), r.right.took.Seconds(), r.right.ghosts, r.right.missing, r.right.stale, r.right.left,
		p.accepted, r.refused, p.deliveries, p.lost, p.missed, p.late, p.old, p.disorder, p.longest.Seconds(),
		r.revoked, b.begun, b.ticks, b.declines, b.posted, b.late, r.gapP99.Seconds(), r.gapMost.Seconds(), r.posts, r.postsBefore,
		r.usage.goroutines, r.usage.files, r.usage.heap>>20, 100*r.cpu, 100*r.natsCPU, r.lines, r.right.by)
}

// table returns the table of docs/faults.md.
func table(rows []row) string {
	text := `
| fault | right after | ghosts, missing, left in between | pushes: deliveries, lost, late, old, in wrong order | without a link: p99, longest | beats: all, posted, answered twice |
|---|--:|--:|--:|--:|--:|
`
	for i := range rows {
		r := &rows[i]
		p := &r.pushes
		text += fmt.Sprintf("| %s | %.1f s | %d, %d, %d | %d, %d, %d, %d, %d | %.1f s, %.1f s | %d, %d, %d |\n",
			r.fault, r.right.took.Seconds(), r.right.ghosts, r.right.missing, r.right.left,
			p.deliveries, p.lost, p.late, p.old, p.disorder, r.gapP99.Seconds(), r.gapMost.Seconds(), r.beats.begun, r.beats.posted, r.beats.unasked)
	}
	return text
}

// openWait is how long pages may take at the start until all have a link.
const openWait = time.Minute

// prepare opens the pages, and measures what that costs.
func (c *cluster) prepare(ctx context.Context, list []*fault) (err error) {
	for _, f := range list {
		if strings.HasPrefix(f.name, "clock") && c.clocked == "" {
			if err := c.buildClocked(); err != nil {
				return err
			}
		}
	}
	before, err := c.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	c.crowd.open(c.pages)
	c.waitLinks(ctx, began.Add(openWait))
	took := time.Since(began)
	opened, err := c.usage()
	if err != nil {
		return err
	}
	without := 0
	for _, p := range c.crowd.all() {
		if isLinkless(p) {
			without++
		}
	}
	fmt.Printf("%d pages of %d sites: after %.1f s %d have no link; the nodes took %.1f s of CPU, and NATS %.1f s\n",
		c.pages, len(c.sites), took.Seconds(), without, (opened.cpu - before.cpu).Seconds(), (opened.natsCPU - before.natsCPU).Seconds())
	if err := pause(ctx, c.ttl); err != nil {
		return err
	}
	c.base, err = c.usage()
	return err
}
