//go:build linux

package main

import (
	"time"
)

const (
	// burst is how often a page beats and is counted. With its first beat, which is
	// not counted, it is below what heartbeatd lets a page ask at once.
	burst = 25
	// lag is how often it is asked whether the work that beats leave behind, as
	// their writes to NATS, is done: it counts as theirs. maxLag bounds it.
	lag, maxLag = 50 * time.Millisecond, 5 * time.Second
	// beatWait is how long a round of beats may take.
	beatWait = time.Minute
	// countedBeats are those whose cost a figure tells.
	countedBeats = 10_000
)

// beater beats once and calls done with the answer.
type beater func(done func())

// atOnce is how many pages beat at once, each its next beat when the last is answered.
const atOnce = 64

// beatAll has each beater beat n times.
func (l *loop) beatAll(beaters []beater, n int) error {
	left, waiting := len(beaters)*n, beaters
	var begin func()
	begin = func() {
		if len(waiting) == 0 {
			return
		}
		beat, mine := waiting[0], n
		waiting = waiting[1:]
		var next func()
		next = func() {
			left--
			if mine--; mine > 0 {
				beat(next)
			} else {
				begin()
			}
		}
		beat(next)
	}
	for range min(atOnce, len(beaters)) {
		begin()
	}
	return l.run(beatWait, func() bool { return left == 0 })
}

// cost is what n beats of each of some beaters cost a server.
type cost struct {
	beats     int
	cpu, wall time.Duration
}

func (l *loop) cost(p *process, beaters []beater, n int) (cost, error) {
	began := time.Now()
	before, err := p.cpu()
	if err != nil {
		return cost{}, err
	}
	if err := l.beatAll(beaters, n); err != nil {
		return cost{}, err
	}
	after, err := l.calm(p)
	return cost{len(beaters) * n, after - before, time.Since(began)}, err
}

// calm waits until the server does next to nothing, and returns the CPU that
// it has used so far.
func (l *loop) calm(p *process) (time.Duration, error) {
	last, err := p.cpu()
	for end := time.Now().Add(maxLag); err == nil && time.Now().Before(end); {
		if err := l.rest(lag); err != nil {
			return 0, err
		}
		var now time.Duration
		if now, err = p.cpu(); now-last < lag/10 {
			return now, err
		}
		last = now
	}
	return last, err
}

// seconds is the CPU for countedBeats. idle is the share of a core that the
// server needs anyway.
func (c cost) seconds(idle float64) float64 {
	return (c.cpu.Seconds() - idle*c.wall.Seconds()) / float64(c.beats) * countedBeats
}

// crew opens beaters, and sees them off when they have beaten.
type crew func() (beaters []beater, leave func() error, err error)

// rounds measures many beats of pages that may each beat a few times only. A
// page's first beat, with which it comes into its rooms, is not among them: the
// rows about joins count it. The first round warms up the server.
func (b *bench) rounds(name string, p *process, l *loop, c crew) (cost, error) {
	var total cost
	one := func() error {
		beaters, leave, err := c()
		if err != nil {
			return err
		}
		if err := l.beatAll(beaters, 1); err != nil {
			return err
		}
		if _, err := l.calm(p); err != nil {
			return err
		}
		round, err := l.cost(p, beaters, min(burst, max(1, b.beats/len(beaters))))
		if err != nil {
			return err
		}
		total.beats += round.beats
		total.cpu += round.cpu
		total.wall += round.wall
		return leave()
	}
	if err := one(); err != nil {
		return total, err
	}
	total = cost{}
	err := b.profiled(name, p, func() error {
		for total.beats < b.beats {
			if err := one(); err != nil {
				return err
			}
		}
		return nil
	})
	return total, err
}

// once is how many pages it takes to beat as often as a figure wants in one round.
func (b *bench) once() int { return max(b.beaters, b.beats/burst) }

// pageCrew opens fresh pages over WebSockets, each time with new people or with
// the same, as who says.
func pageCrew(l *loop, p *process, n int, who func(i int) (person, error)) crew {
	return func() (beaters []beater, leave func() error, err error) {
		pages := make([]*page, n)
		err = l.openAll(n, func(i int, done func()) {
			someone, err := who(i)
			if err != nil {
				l.fail(err)
				return
			}
			pages[i] = &page{who: someone, welcomed: done}
			l.openPage(i, p.addrs[0], pages[i])
		})
		for _, pg := range pages {
			beaters = append(beaters, pg.beat)
		}
		return beaters, func() error {
			return l.openAll(n, func(i int, done func()) { pages[i].leave(done) })
		}, err
	}
}

// nextEditors are people each of whom edits a post alone.
func nextEditors() func(int) (person, error) {
	last := 0
	return func(int) (person, error) {
		last++
		return editor(last, last)
	}
}

func (b *bench) beatWebSocket() ([]figure, error) {
	floor, err := b.echoFloor()
	if err != nil {
		return nil, err
	}
	var c cost
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		c, err = b.rounds("beat-websocket", p, l, pageCrew(l, p, b.once(), nextEditors()))
		return err
	})
	return []figure{{"beat-websocket", c.seconds(0), floor}}, err
}

func (b *bench) beatDashboard() ([]figure, error) {
	var c cost
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		c, err = b.rounds("beat-dashboard", p, l, pageCrew(l, p, b.beaters, func(i int) (person, error) { return visitor(i + 1) }))
		return err
	})
	return []figure{{"beat-dashboard", c.seconds(0), 0}}, err
}

// echoFloor is the cost of messages as long as a beat's frame, each sent back, on as
// many connections.
func (b *bench) echoFloor() (float64, error) {
	var c cost
	who, err := editor(1, 1)
	if err != nil {
		return 0, err
	}
	p, err := b.floor("websocket")
	err = with(p, err, func(p *process, l *loop) error {
		beaters := make([]beater, b.once())
		err := l.openAll(len(beaters), func(i int, done func()) {
			s := &socket{opened: done}
			l.openSocket(i, p.addrs[0], "/", "", s)
			frame := who.beat(nil, i+1)
			beaters[i] = func(done func()) {
				s.onText = func([]byte) { done() }
				s.text(frame)
			}
		})
		if err != nil {
			return err
		}
		c, err = b.warm(p, l, beaters)
		return err
	})
	return c.seconds(0), err
}

// warm measures beaters that may beat as often as they like.
func (b *bench) warm(p *process, l *loop, beaters []beater) (cost, error) {
	each := max(1, b.beats/len(beaters))
	if err := l.beatAll(beaters, max(1, each/5)); err != nil {
		return cost{}, err
	}
	return l.cost(p, beaters, each)
}
