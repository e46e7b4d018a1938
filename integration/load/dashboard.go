//go:build linux

package main

import (
	"fmt"
	"time"
)

// dashboardBeat is the time between the beats of a page on the dashboard.
const dashboardBeat = 15 * time.Second

// dashboard measures many people on one dashboard who beat one after another. Each tick
// lists all others, so a simple implementation would cost the square of their number.
func (b *bench) dashboard() ([]figure, error) {
	var share float64
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		pages := make([]*page, b.hearers)
		err := l.openAll(len(pages), func(i int, done func()) {
			who, err := visitor(i + 1)
			if err != nil {
				l.fail(err)
				return
			}
			pages[i] = &page{who: who, present: true, welcomed: done}
			l.openPage(i, p.addrs[0], pages[i])
		})
		if err != nil {
			return err
		}
		ticks := l.beatInTurn(pages)
		if err := l.rest(b.dashboardWarm); err != nil {
			return err
		}
		return b.profiled("dashboard", p, func() error {
			share, err = l.share(p, b.dashboardWatch)
			if err == nil && *ticks == 0 {
				err = fmt.Errorf("no page received a tick")
			}
			return err
		})
	})
	return []figure{{"dashboard-cpu", share * 100, 0}}, err
}

// beatInTurn makes each page beat once in dashboardBeat, without an end, and counts the
// ticks.
func (l *loop) beatInTurn(pages []*page) *int {
	ticks, sent, began := 0, 0, time.Now()
	every := dashboardBeat / time.Duration(len(pages))
	var next func()
	next = func() {
		pages[sent%len(pages)].beat(func() { ticks++ })
		sent++
		l.after(time.Until(began.Add(time.Duration(sent)*every)), next)
	}
	next()
	return &ticks
}
