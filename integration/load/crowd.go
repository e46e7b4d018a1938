//go:build linux

package main

import (
	"strings"
	"time"
)

// crowdPace is the time between two people who come to the dashboard, and go when the next one
// comes. A room with such changes sends new dates at once, too.
const crowdPace = 500 * time.Millisecond

// crowd measures the bytes of the presence frames that a page receives on a dashboard with many
// people who beat, while others come and go: of a page like the drop-in, and of an older one that
// does not understand dates.
func (b *bench) crowd() ([]figure, error) {
	short, err := b.crowdRate(true)
	if err != nil {
		return nil, err
	}
	long, err := b.crowdRate(false)
	return []figure{{"crowd-bytes", short / 1000, 0}, {"crowd-bytes-without-dates", long / 1000, 0}}, err
}

func (b *bench) crowdRate(dates bool) (rate float64, err error) {
	received := 0
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		pages := make([]*page, b.crowdSize)
		err := l.openAll(len(pages), func(i int, done func()) {
			pages[i] = &page{present: true, dates: dates, welcomed: done, onPresence: func(frame []byte) { received += len(frame) }}
			l.visit(i, p, pages[i], i+1)
		})
		if err != nil {
			return err
		}
		l.beatInTurn(pages)
		l.comeAndGo(p, len(pages))
		if err := l.rest(b.dashboardWarm); err != nil {
			return err
		}
		received = 0
		began := time.Now()
		err = l.rest(b.crowdWatch)
		rate = float64(received) / float64(len(pages)) / time.Since(began).Seconds()
		return err
	})
	return rate, err
}

// visit opens the nth connection as the page of a user on the dashboard.
func (l *loop) visit(n int, to *process, p *page, user int) {
	var err error
	if p.who, err = visitor(user); err != nil {
		l.fail(err)
		return
	}
	l.openPage(n, to.addrs[0], p)
}

// comeAndGo has one person after another come and go, without an end.
func (l *loop) comeAndGo(to *process, others int) {
	count := 0
	var next func()
	next = func() {
		p := &page{present: true, welcomed: func() {}}
		count++
		l.visit(others+count, to, p, others+count)
		l.after(crowdPace, func() {
			p.leave(func() {})
			next()
		})
	}
	next()
}

// understandsDates returns a hello of a page that understands dates.
func understandsDates(hello string) string {
	return strings.Replace(hello, `,"conn":`, `,"dates":true,"conn":`, 1)
}
