//go:build linux

package main

import (
	"time"
)

const (
	// burst is the number of measured beats of a page. Together with its first beat, which
	// is not measured, it is below heartbeatd's limit for a burst.
	burst = 25
	// calmInterval is the time between two checks whether the server has finished the work
	// that follows beats, such as writes to NATS, which counts as their cost. calmWait is
	// the longest wait.
	calmInterval, calmWait = 50 * time.Millisecond, 5 * time.Second
	// beatWait is how long a round of beats may take.
	beatWait = time.Minute
	// countedBeats is the number of beats whose cost a figure reports.
	countedBeats = 10_000
)

// beater beats once and calls done with the answer.
type beater func(done func())

// concurrentBeats is the number of pages that beat concurrently. Each sends its next beat
// when the last one is answered.
const concurrentBeats = 64

// beatAll makes each beater beat n times.
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
	for range min(concurrentBeats, len(beaters)) {
		begin()
	}
	return l.run(beatWait, func() bool { return left == 0 })
}

// cost is the server's cost of a number of beats.
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

// calm waits until the server uses nearly no CPU, and returns the CPU time that it has used
// so far.
func (l *loop) calm(p *process) (time.Duration, error) {
	last, err := p.cpu()
	for end := time.Now().Add(calmWait); err == nil && time.Now().Before(end); {
		if err := l.rest(calmInterval); err != nil {
			return 0, err
		}
		var now time.Duration
		if now, err = p.cpu(); now-last < calmInterval/10 {
			return now, err
		}
		last = now
	}
	return last, err
}

// seconds returns the CPU time of countedBeats, in seconds. idle is the share of a core that
// the server uses without beats.
func (c cost) seconds(idle float64) float64 {
	return (c.cpu.Seconds() - idle*c.wall.Seconds()) / float64(c.beats) * countedBeats
}

// opener opens beaters. leave closes them.
type opener func() (beaters []beater, leave func() error, err error)

// rounds measures many beats of pages that may each beat a few times only. The first beat
// of a page, with which it joins its rooms, is not measured: the rows about joins include
// it. The first round warms up the server.
func (b *bench) rounds(name string, p *process, l *loop, open opener) (cost, error) {
	var total cost
	one := func() error {
		beaters, leave, err := open()
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

// once returns the number of pages that send all beats of a figure in one round.
func (b *bench) once() int { return max(b.beaters, b.beats/burst) }

// pageOpener opens new pages over WebSockets. who returns the people.
func pageOpener(l *loop, p *process, n int, who func(i int) (person, error)) opener {
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

// nextEditors returns new people, each of whom edits a post alone.
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
		c, err = b.rounds("beat-websocket", p, l, pageOpener(l, p, b.once(), nextEditors()))
		return err
	})
	return []figure{{"beat-websocket", c.seconds(0), floor}}, err
}

func (b *bench) beatDashboard() ([]figure, error) {
	var c cost
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		c, err = b.rounds("beat-dashboard", p, l, pageOpener(l, p, b.beaters, func(i int) (person, error) { return visitor(i + 1) }))
		return err
	})
	return []figure{{"beat-dashboard", c.seconds(0), 0}}, err
}

// echoFloor returns the cost of the same number of messages as long as a beat's frame, each
// sent back, on the same number of connections.
func (b *bench) echoFloor() (float64, error) {
	var c cost
	p, err := b.floor("websocket")
	err = with(p, err, func(p *process, l *loop) error {
		beaters, err := l.openEchoes(p, b.once())
		if err != nil {
			return err
		}
		c, err = b.warm(p, l, beaters)
		return err
	})
	return c.seconds(0), err
}

// openEchoes opens connections to the floor of WebSockets. Each sends a message as long as a
// beat's frame.
func (l *loop) openEchoes(p *process, n int) ([]beater, error) {
	who, err := editor(1, 1)
	if err != nil {
		return nil, err
	}
	beaters := make([]beater, n)
	err = l.openAll(n, func(i int, done func()) {
		s := &socket{opened: done}
		l.openSocket(i, p.addrs[0], "/", "", s)
		frame := who.beat(nil, i+1)
		beaters[i] = func(done func()) {
			s.onText = func([]byte) { done() }
			s.text(frame)
		}
	})
	return beaters, err
}

// warm measures beaters without a limit of beats.
func (b *bench) warm(p *process, l *loop, beaters []beater) (cost, error) {
	each := max(1, b.beats/len(beaters))
	if err := l.beatAll(beaters, max(1, each/5)); err != nil {
		return cost{}, err
	}
	return l.cost(p, beaters, each)
}
