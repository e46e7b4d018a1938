//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// saturated is the number of messages in flight when the largest number of deliveries
	// is measured.
	saturated = 64
	// paced is the number of deliveries a second when their delay is measured.
	paced = 20_000
	// pushers is the number of concurrent calls of the API.
	pushers = 16
	// pushWait is how long the last messages may take.
	pushWait = 20 * time.Second
	// pushed is a message. Its frame has 150 to 200 bytes.
	pushed = `{"kind":"order","id":10482,"status":"processing","total":"129.90","at":1764000000}`
	// pushedMark is in each message.
	pushedMark = `"kind":"order"`
)

// audience is a room with many pages, and the publisher of messages to it.
type audience struct {
	loop        *loop
	size        int
	publish     func()
	missing     []int // the number of pages that have not received each message yet
	publishedAt []time.Time
	deliveries  int
	delays      []time.Duration // of each delivery, if timed
	timed       bool
	delivered   func() // called when a message has reached all pages
}

// receive counts a delivery. nth is the number of the message for that page.
func (a *audience) receive(nth int) {
	if nth >= len(a.missing) {
		a.loop.fail(fmt.Errorf("message %d arrived, but %d were sent", nth+1, len(a.missing)))
		return
	}
	a.deliveries++
	if a.timed {
		a.delays = append(a.delays, time.Since(a.publishedAt[nth]))
	}
	if a.missing[nth]--; a.missing[nth] == 0 {
		a.delivered()
	}
}

func (a *audience) send() {
	a.missing = append(a.missing, a.size)
	a.publishedAt = append(a.publishedAt, time.Now())
	a.publish()
}

// saturate keeps a number of messages in flight, and returns the deliveries a second.
func (a *audience) saturate(messages int, d time.Duration) (float64, error) {
	stopped, inFlight := false, 0
	a.delivered = func() {
		if inFlight--; !stopped {
			inFlight++
			a.send()
		}
	}
	for range messages {
		inFlight++
		a.send()
	}
	if err := a.loop.rest(d / 5); err != nil { // warms up
		return 0, err
	}
	from, began := a.deliveries, time.Now()
	if err := a.loop.rest(d); err != nil {
		return 0, err
	}
	rate := float64(a.deliveries-from) / time.Since(began).Seconds()
	stopped = true
	return rate, a.loop.run(pushWait, func() bool { return inFlight == 0 })
}

// pace sends messages at a constant rate, and returns the 99th percentile of the delays of
// their deliveries.
func (a *audience) pace(perSecond int, d time.Duration) (time.Duration, error) {
	every := time.Duration(float64(a.size) / float64(perSecond) * float64(time.Second))
	total := max(1, int(d/every))
	sent, done := 0, 0
	a.timed, a.delays, a.delivered = true, nil, func() { done++ }
	began := time.Now()
	var next func()
	next = func() {
		a.send()
		if sent++; sent < total {
			a.loop.after(time.Until(began.Add(time.Duration(sent)*every)), next)
		}
	}
	next()
	err := a.loop.run(d+pushWait, func() bool { return done == total })
	return percentile(a.delays, 99), err
}

// pushCost is a server's result for messages to a large room.
type pushCost struct {
	saturated, two float64 // deliveries a second
	cpu            float64 // seconds for countedDeliveries, saturated
	p99            float64 // ms
}

// countedDeliveries is the number of deliveries whose cost a figure reports.
const countedDeliveries = 1_000_000

// push measures messages to a large room of heartbeatd and of its floor.
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
	c.cpu = (after - before).Seconds() / float64(a.deliveries) * countedDeliveries
	if c.two, err = a.saturate(2, b.sizes.push); err != nil {
		return c, fmt.Errorf("two at a time: %w", err)
	}
	p99, err := a.pace(paced, b.sizes.push)
	c.p99 = float64(p99) / float64(time.Millisecond)
	return c, err
}

// pushLongPoll measures the same for pages that poll. Each response has all messages since
// the last one, so that many messages need few responses.
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
			pg := &poller{who: who, onPush: a.receiver()}
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

// receiver returns a function that counts the deliveries to one page.
func (a *audience) receiver() func() {
	nth := -1
	return func() {
		nth++
		a.receive(nth)
	}
}

// audience opens the pages of a room of heartbeatd, and connections to its API.
func (l *loop) audience(p *process, n int) (*audience, error) {
	a := &audience{loop: l, size: n}
	err := l.openAll(n, func(i int, done func()) {
		who, err := editor(i+1, 1)
		if err != nil {
			l.fail(err)
			return
		}
		l.openPage(i, p.addrs[0], &page{who: who, welcomed: done, onPush: a.receiver()})
	})
	if err != nil {
		return nil, err
	}
	return a, a.openAPI(p.addrs[1], pushRequest(p))
}

// pushRequest returns the request that pushes to the audience with heartbeatd's API.
func pushRequest(p *process) []byte {
	return appendRequest(nil, "POST", "/api/v1/push", p.addrs[1], jsonType+"Authorization: Bearer "+apiKey+"\r\n",
		`{"site":"`+siteID+`","to":{"room":"`+postRoom(1)+`"},"data":`+pushed+`}`)
}

// openAPI opens the connections over which messages are published.
func (a *audience) openAPI(to netip.AddrPort, request []byte) error {
	l := a.loop
	var idle []*caller
	waiting := 0
	var answered func(c *caller) func(r response)
	answered = func(c *caller) func(r response) {
		return func(r response) {
			switch {
			case r.status != 202:
				l.fail(fmt.Errorf("a push was refused: %d %s", r.status, r.body))
			case waiting > 0:
				waiting--
				c.do(request, answered(c))
			default:
				idle = append(idle, c)
			}
		}
	}
	a.publish = func() {
		if len(idle) == 0 {
			waiting++
			return
		}
		c := idle[len(idle)-1]
		idle = idle[:len(idle)-1]
		c.do(request, answered(c))
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

// floorAudience opens sockets of the floor that broadcasts.
func (l *loop) floorAudience(p *process, n int) (*audience, error) {
	a := &audience{loop: l, size: n}
	err := l.openAll(n, func(i int, done func()) {
		deliver := a.receiver()
		s := &socket{opened: func() {}}
		s.onText = func([]byte) { // the welcome
			s.onText = func([]byte) { deliver() }
			done()
		}
		l.openSocket(i, p.addrs[0], "/", "", s)
	})
	if err != nil {
		return nil, err
	}
	publisher := new(socket)
	// As long as heartbeatd's frame with the same message.
	message := []byte(pushed + strings.Repeat(" ", 80))
	a.publish = func() { publisher.text(message) }
	return a, l.openAll(1, func(_ int, done func()) {
		publisher.opened = done
		l.openSocket(n, p.addrs[0], "/publish", "", publisher)
	})
}
