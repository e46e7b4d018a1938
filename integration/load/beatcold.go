//go:build linux

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// quietTime is longer than the time within which the dates of a page's beats share one write to
// NATS.
const quietTime = 11 * time.Second

// coldPages returns the number of pages that beat after a quiet time: most, or as many as this
// process may open connections.
func coldPages(most int) int {
	var is unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &is); err != nil {
		return most
	}
	return int(min(uint64(most), is.Max-min(is.Max, otherFiles)))
}

// beatCold measures the beats of pages that have been quiet, as nearly all are: thousands of pages,
// each of which edits a post alone, beat in turn, each once. The processor's caches have little of
// such a page. Each beat has a new date, which is written to NATS. The floor is an echo to as many
// connections, in turn.
func (b *bench) beatCold() ([]figure, error) {
	pages := coldPages(b.cold)
	var floor float64
	p, err := b.floor("websocket")
	err = with(p, err, func(p *process, l *loop) error {
		beaters, err := l.openEchoes(p, pages)
		if err != nil {
			return err
		}
		floor, err = b.inTurn(p, l, beaters)
		return err
	})
	if err != nil {
		return nil, err
	}
	alone, err := b.beatsInTurn("beat-cold", pages)
	if err != nil {
		return nil, err
	}
	written, err := b.beatsInTurn("beat-cold-nats", pages, "--nats-listen", "127.0.0.1:0")
	return []figure{{"beat-cold", alone, floor}, {"beat-cold-nats", written, floor}}, err
}

// beatsInTurn measures heartbeatd with some flags.
func (b *bench) beatsInTurn(name string, pages int, flags ...string) (seconds float64, err error) {
	p, err := b.heartbeatd(flags...)
	err = with(p, err, func(p *process, l *loop) error {
		beaters, _, err := pageOpener(l, p, pages, nextEditors())()
		if err != nil {
			return err
		}
		return b.profiled(name, p, func() error {
			seconds, err = b.inTurn(p, l, beaters)
			return err
		})
	})
	return seconds, err
}

// inTurn makes each beater beat once in each round, after a quiet time, and returns the cost, with what
// the server does for idle pages meanwhile. The first round, in which pages enter their rooms, does not
// count.
func (b *bench) inTurn(p *process, l *loop, beaters []beater) (seconds float64, err error) {
	if err := l.beatAll(beaters, 1); err != nil {
		return 0, err
	}
	rounds := max(1, b.beats/len(beaters))
	for range rounds {
		if err := l.rest(b.quiet); err != nil {
			return 0, err
		}
		c, err := l.cost(p, beaters, 1)
		if err != nil {
			return 0, err
		}
		seconds += c.seconds(0) / float64(rounds)
	}
	return seconds, nil
}
