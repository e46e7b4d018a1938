// Package clock measures the clocks of other machines. Those of two nodes, of NATS and of
// WordPress differ, and what a node writes and decides must not depend on its own.
package clock

import (
	"sync"
	"time"
)

// Tolerance is the difference of two clocks above which it is reported.
const Tolerance = 2 * time.Second

// kept is the number of measurements of which the best one counts.
const kept = 8

// Peer is another machine, whose clock is asked with requests. The zero value has not been
// asked: its time is that of this machine.
type Peer struct {
	mu      sync.Mutex // guards the following; no other lock is taken under it
	samples [kept]sample
	next    int
}

// sample is one answer. The time of an answer is known to half of the time that it took.
type sample struct {
	theirs time.Time
	here   time.Time // halfway between request and answer, with this machine's monotonic clock
	took   time.Duration
}

// Answered takes the time that the peer has answered to a request. If it contradicts the earlier answers,
// the peer's clock was set, or the peer is another machine now: then they are forgotten.
func (p *Peer) Answered(theirs, sent, received time.Time) {
	took := received.Sub(sent)
	here := sent.Add(took / 2)
	p.mu.Lock()
	defer p.mu.Unlock()
	if best := p.best(); best != nil && best.at(here).Sub(theirs).Abs() > Tolerance+took/2 {
		p.samples = [kept]sample{}
	}
	p.samples[p.next] = sample{theirs, here, took}
	p.next = (p.next + 1) % kept
}

// Forget forgets all answers. It is called when this machine may have slept: while it did, its
// monotonic clock stood still.
func (p *Peer) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples = [kept]sample{}
}

// Now returns the time by the peer's clock. It does not depend on this machine's, which may
// be set: since the last answers only the time that has passed counts.
func (p *Peer) Now() time.Time {
	now, _ := p.now()
	return now
}

// now returns the time by the peer's clock, and whether it has been asked.
func (p *Peer) now() (_ time.Time, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := p.best()
	if best == nil {
		return time.Now(), false
	}
	return best.at(time.Now()), true
}

// best returns the best of the last answers, or nil. It is called with p.mu held.
func (p *Peer) best() (best *sample) {
	for i := range p.samples {
		if s := &p.samples[i]; !s.theirs.IsZero() && (best == nil || s.took < best.took) {
			best = s
		}
	}
	return best
}

// at returns the time by the peer's clock at a time of this machine's.
func (s *sample) at(here time.Time) time.Time { return s.theirs.Add(here.Sub(s.here)) }

// Age returns how long ago a time of the peer's clock was: 0 if its clock is not known.
func (p *Peer) Age(t time.Time) time.Duration {
	now, known := p.now()
	if !known {
		return 0
	}
	return max(0, now.Sub(t))
}

// Follows takes a time that the peer noted after another one. If it is earlier, the peer's clock was set
// back, or the peer is another machine now: then Follows forgets all answers, and returns false.
func (p *Peer) Follows(t, earlier time.Time) bool {
	if !t.Before(earlier.Add(-Tolerance)) {
		return true
	}
	p.Forget()
	return false
}

// Ahead returns how far the peer's clock is ahead of this machine's. It is negative if it is
// behind.
func (p *Peer) Ahead() time.Duration { return p.Now().Sub(time.Now().Round(0)) }
