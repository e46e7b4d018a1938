//go:build linux

package main

import (
	"net/netip"
	"time"
)

// together is the number of idle pages that edit the same post: they receive each other's
// changes and no others.
const together = 10

// openIdle opens idle pages, each with one entry.
func (l *loop) openIdle(to netip.AddrPort, n int) ([]*page, error) {
	pages := make([]*page, n)
	err := l.openAll(n, func(i int, done func()) {
		// Posts below a million are of pages that beat.
		who, err := editor(1_000_000+i, 1_000_000+i/together)
		if err != nil {
			l.fail(err)
			return
		}
		pages[i] = &page{who: who, present: true, welcomed: done}
		l.openPage(i, to, pages[i])
	})
	return pages, err
}

// idlePages measures pages that do not beat, and then the cost of a beat while they are
// connected.
func (b *bench) idlePages() ([]figure, error) {
	socket, err := b.connectionFloor("websocket")
	if err != nil {
		return nil, err
	}
	tcp, err := b.connectionFloor("tcp")
	if err != nil {
		return nil, err
	}
	few, err := b.beatAmongFew()
	if err != nil {
		return nil, err
	}
	figures := []figure{{row: "idle-tcp", floor: tcp}}
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		var pages []*page
		each, share, err := b.idleCost("idle", p, l, func() (err error) {
			pages, err = l.openIdle(p.addrs[0], b.pages)
			return err
		})
		if err != nil {
			return err
		}
		figures = append(figures,
			figure{"idle-memory", each, socket},
			figure{"idle-cpu", share * 100, 0})
		many, err := b.rounds("beat-among-many", p, l, pageOpener(l, p, b.beaters, nextEditors()))
		if err != nil {
			return err
		}
		figures = append(figures, figure{"beat-among-many", many.seconds(share), few})
		once, err := b.beatEach(p, l, pages)
		figures = append(figures, figure{"beat-each", once.seconds(share), 0})
		return err
	})
	return figures, err
}

// memorySamples is how often the memory of idle pages is measured, evenly over the time for which they are
// idle: between two garbage collections, the heap of a process grows to twice its size.
const memorySamples = 10

// idleCost returns the memory of each page that open opens, in KiB, and the share of a core
// that all of them use while they are idle. name is that of the profile.
func (b *bench) idleCost(name string, p *process, l *loop, open func() error) (each, share float64, err error) {
	empty, err := p.memory()
	if err != nil {
		return 0, 0, err
	}
	if err := open(); err != nil {
		return 0, 0, err
	}
	if err := l.rest(b.settle); err != nil {
		return 0, 0, err
	}
	err = b.profiled(name, p, func() error {
		for range memorySamples {
			cpu, err := l.share(p, b.idle/memorySamples)
			if err != nil {
				return err
			}
			used, err := p.memory()
			if err != nil {
				return err
			}
			each += kib(used-empty, b.pages) / memorySamples
			share += cpu / memorySamples
		}
		return nil
	})
	return each, share, err
}

func kib(bytes, pages int) float64 { return float64(bytes) / float64(pages) / 1024 }

// share returns the share of a core that the server uses during d.
func (l *loop) share(p *process, d time.Duration) (float64, error) {
	began := time.Now()
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := l.rest(d); err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

// beatAmongFew returns the cost of a beat with few pages connected.
func (b *bench) beatAmongFew() (float64, error) {
	var c cost
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		if _, err := l.openIdle(p.addrs[0], b.few); err != nil {
			return err
		}
		c, err = b.rounds("beat-among-few", p, l, pageOpener(l, p, b.beaters, nextEditors()))
		return err
	})
	return c.seconds(0), err
}

// beatEach makes each of many pages beat once.
func (b *bench) beatEach(p *process, l *loop, pages []*page) (c cost, err error) {
	next := b.beaters
	beaters := make([]beater, b.beaters)
	for i := range beaters {
		mine := pages[i]
		beaters[i] = func(done func()) {
			mine.beat(done)
			mine = pages[next%len(pages)]
			next++
		}
	}
	err = b.profiled("beat-each", p, func() error {
		c, err = l.cost(p, beaters, len(pages)/len(beaters))
		return err
	})
	return c, err
}

// connectionFloor returns the memory of an idle connection, in KiB.
func (b *bench) connectionFloor(kind string) (each float64, err error) {
	p, err := b.floor(kind)
	err = with(p, err, func(p *process, l *loop) error {
		empty, err := p.memory()
		if err != nil {
			return err
		}
		err = l.openAll(b.pages, func(i int, done func()) {
			if kind == "tcp" {
				c := &conn{opened: done, take: func(b []byte) (int, error) { return len(b), nil }}
				l.dial(i, p.addrs[0], c)
				return
			}
			l.openSocket(i, p.addrs[0], "/", "", &socket{opened: done})
		})
		if err != nil {
			return err
		}
		if err := l.rest(b.settle / 2); err != nil {
			return err
		}
		used, err := p.memory()
		each = kib(used-empty, b.pages)
		return err
	})
	return each, err
}

// idlePollers measures the memory of idle pages that long-poll.
func (b *bench) idlePollers() ([]figure, error) {
	return b.idleReceivers("idle-longpoll", func(pg *poller) { pg.poll("0") })
}

// idleStreams measures the memory of idle pages with event streams.
func (b *bench) idleStreams() ([]figure, error) {
	return b.idleReceivers("idle-events", func(pg *poller) { pg.stream("0") })
}

// idleReceivers measures the memory of idle pages whose frames are sent in the responses to requests that wait.
func (b *bench) idleReceivers(row string, receive func(*poller)) (figures []figure, err error) {
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		each, _, err := b.idleCost(row, p, l, func() error {
			return l.openAll(b.pages, func(i int, done func()) {
				who, err := editor(1_000_000+i, 1_000_000+i/together)
				if err != nil {
					l.fail(err)
					return
				}
				pg := &poller{who: who, present: true}
				l.openPoller(i, p.addrs[0], pg, func() {
					receive(pg)
					done()
				})
			})
		})
		figures = []figure{{row, each, 0}}
		return err
	})
	return figures, err
}
