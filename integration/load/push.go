//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// saturated is how many messages are on their way at once when it is asked
	// how many a server can deliver at all.
	saturated = 64
	// paced is how many deliveries a second are offered when it is asked how
	// long each takes.
	paced = 20_000
	// pushers is how many calls to the API are on their way at once.
	pushers = 16
	// pushWait is how long the last messages may take.
	pushWait = 20 * time.Second
	// pushed is a message: as a frame it has 150 to 200 bytes.
	pushed = `{"kind":"order","id":10482,"status":"processing","total":"129.90","at":1764000000}`
	// pushedMark is in each message.
	pushedMark = `"kind":"order"`
)

// audience is a room full of pages, and who says something to all of them.
type audience struct {
	loop    *loop
	size    int
	say     func()
	missing []int // who has not heard each message yet
	saidAt  []time.Time
	heard   int             // deliveries
	delays  []time.Duration // of each delivery, if they are wanted
	timed   bool
	whole   func() // a message has reached everybody
}

// hear counts a delivery; nth is which message it is for that page.
func (a *audience) hear(nth int) {
	if nth >= len(a.missing) {
		a.loop.fail(fmt.Errorf("message %d came, and %d were sent", nth+1, len(a.missing)))
		return
	}
	a.heard++
	if a.timed {
		a.delays = append(a.delays, time.Since(a.saidAt[nth]))
	}
	if a.missing[nth]--; a.missing[nth] == 0 {
		a.whole()
	}
}

func (a *audience) send() {
	a.missing = append(a.missing, a.size)
	a.saidAt = append(a.saidAt, time.Now())
	a.say()
}

// saturate keeps messages on their way, and returns deliveries a second.
func (a *audience) saturate(messages int, d time.Duration) (float64, error) {
	over, underway := false, 0
	a.whole = func() {
		if underway--; !over {
			underway++
			a.send()
		}
	}
	for range messages {
		underway++
		a.send()
	}
	if err := a.loop.rest(d / 5); err != nil { // to warm up
		return 0, err
	}
	from, began := a.heard, time.Now()
	if err := a.loop.rest(d); err != nil {
		return 0, err
	}
	rate := float64(a.heard-from) / time.Since(began).Seconds()
	over = true
	return rate, a.loop.run(pushWait, func() bool { return underway == 0 })
}

// pace offers deliveries at a steady rate, and returns the 99th percentile of
// how long one took.
func (a *audience) pace(perSecond int, d time.Duration) (time.Duration, error) {
	every := time.Duration(float64(a.size) / float64(perSecond) * float64(time.Second))
	total := max(1, int(d/every))
	sent, told := 0, 0
	a.timed, a.delays, a.whole = true, nil, func() { told++ }
	began := time.Now()
	var next func()
	next = func() {
		a.send()
		if sent++; sent < total {
			a.loop.after(time.Until(began.Add(time.Duration(sent)*every)), next)
		}
	}
	next()
	err := a.loop.run(d+pushWait, func() bool { return told == total })
	return percentile(a.delays, 99), err
}

// pushCost is what a server did for a room of many.
type pushCost struct {
	saturated, two float64 // deliveries a second
	cpu            float64 // seconds for countedDeliveries, saturated
	p99            float64 // ms
}

// countedDeliveries are those whose cost a figure tells.
const countedDeliveries = 1_000_000

// push measures what heartbeatd and its floor do for a room of many.
func (b *bench) push() ([]figure, error) {
	var ours, floor pushCost
	p, err := b.floor("broadcast")
	err = with(p, err, func(p *process, l *loop) error {
		a, err := l.floorAudience(p, b.hearers)
		if err != nil {
			return err
		}
		floor, err = b.pushAll(p, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err = b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		a, err := l.audience(p, b.hearers)
		if err != nil {
			return err
		}
		return b.profiled("push", p, func() error {
			ours, err = b.pushAll(p, a)
			return err
		})
	})
	return ours.figures(floor), err
}

func (c pushCost) figures(floor pushCost) []figure {
	return []figure{
		{"push-saturated", c.saturated, floor.saturated},
		{"push-cpu", c.cpu, floor.cpu},
		{"push-two", c.two, floor.two},
		{"push-paced", c.p99, floor.p99},
	}
}

func (b *bench) pushAll(p *process, a *audience) (c pushCost, err error) {
	before, err := p.cpu()
	if err != nil {
		return c, err
	}
	if c.saturated, err = a.saturate(saturated, b.sizes.push); err != nil {
		return c, fmt.Errorf("saturated: %w", err)
	}
	after, err := p.cpu()
	if err != nil {
		return c, err
	}
	c.cpu = (after - before).Seconds() / float64(a.heard) * countedDeliveries
	if c.two, err = a.saturate(2, b.sizes.push); err != nil {
		return c, fmt.Errorf("two at a time: %w", err)
	}
	p99, err := a.pace(paced, b.sizes.push)
	c.p99 = float64(p99) / float64(time.Millisecond)
	return c, err
}

// pushLongPoll measures the same for pages that poll. Each poll brings what has
// come since the last, so that many messages need few answers.
func (b *bench) pushLongPoll() (figures []figure, err error) {
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		a := &audience{loop: l, size: b.hearers}
		err := l.openAll(b.hearers, func(i int, done func()) {
			who, err := editor(i+1, 1)
			if err != nil {
				l.fail(err)
				return
			}
			pg := &poller{who: who, onPush: a.hearer()}
			l.openPoller(i, p.addrs[0], pg, func() {
				pg.poll("0")
				done()
			})
		})
		if err != nil {
			return err
		}
		if err := a.openAPI(p.addrs[1], pushRequest(p)); err != nil {
			return err
		}
		return b.profiled("push-longpoll", p, func() error {
			rate, err := a.saturate(2, b.sizes.push)
			figures = []figure{{"push-longpoll", rate, 0}}
			return err
		})
	})
	return figures, err
}

// hearer counts one page's deliveries.
func (a *audience) hearer() func() {
	nth := -1
	return func() {
		nth++
		a.hear(nth)
	}
}

// audience opens a room of heartbeatd's, spoken to by its API.
func (l *loop) audience(p *process, n int) (*audience, error) {
	a := &audience{loop: l, size: n}
	err := l.openAll(n, func(i int, done func()) {
		who, err := editor(i+1, 1)
		if err != nil {
			l.fail(err)
			return
		}
		l.openPage(i, p.addrs[0], &page{who: who, welcomed: done, onPush: a.hearer()})
	})
	if err != nil {
		return nil, err
	}
	return a, a.openAPI(p.addrs[1], pushRequest(p))
}

// pushRequest pushes to the audience by heartbeatd's API.
func pushRequest(p *process) []byte {
	return appendRequest(nil, "POST", "/api/v1/push", p.addrs[1], jsonType+"Authorization: Bearer "+apiKey+"\r\n",
		`{"site":"`+siteID+`","to":{"room":"`+postRoom(1)+`"},"data":`+pushed+`}`)
}

// openAPI opens the connections over which messages are given to a server.
func (a *audience) openAPI(to netip.AddrPort, request []byte) error {
	l := a.loop
	var idle []*caller
	waiting := 0
	var said func(c *caller) func(r response)
	said = func(c *caller) func(r response) {
		return func(r response) {
			switch {
			case r.status != 202:
				l.fail(fmt.Errorf("a push was refused: %d %s", r.status, r.body))
			case waiting > 0:
				waiting--
				c.do(request, said(c))
			default:
				idle = append(idle, c)
			}
		}
	}
	a.say = func() {
		if len(idle) == 0 {
			waiting++
			return
		}
		c := idle[len(idle)-1]
		idle = idle[:len(idle)-1]
		c.do(request, said(c))
	}
	return l.openAll(pushers, func(i int, done func()) {
		c := new(caller)
		c.opened = func() {
			idle = append(idle, c)
			done()
		}
		l.openCaller(a.size+i, to, c)
	})
}

// floorAudience opens sockets of the broadcasting floor.
func (l *loop) floorAudience(p *process, n int) (*audience, error) {
	a := &audience{loop: l, size: n}
	err := l.openAll(n, func(i int, done func()) {
		hear := a.hearer()
		s := &socket{opened: func() {}}
		s.onText = func([]byte) { // the welcome
			s.onText = func([]byte) { hear() }
			done()
		}
		l.openSocket(i, p.addrs[0], "/", "", s)
	})
	if err != nil {
		return nil, err
	}
	speaker := new(socket)
	// As long as heartbeatd's frame around the same message.
	message := []byte(pushed + strings.Repeat(" ", 80))
	a.say = func() { speaker.text(message) }
	return a, l.openAll(1, func(_ int, done func()) {
		speaker.opened = done
		l.openSocket(n, p.addrs[0], "/say", "", speaker)
	})
}
