//go:build linux

package main

func (b *bench) beatLongPoll() ([]figure, error) {
	floor, err := b.postFloor(b.once())
	if err != nil {
		return nil, err
	}
	var c cost
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		c, err = b.rounds("beat-longpoll", p, l, pollerOpener(l, p, b.once(), nextEditors()))
		return err
	})
	return []figure{{"beat-longpoll", c.seconds(0), floor}}, err
}

// pollerOpener is pageOpener over long-poll. The pages do not poll: a round ends before the
// server ends their sessions for that.
func pollerOpener(l *loop, p *process, n int, who func(i int) (person, error)) opener {
	return func() (beaters []beater, leave func() error, err error) {
		pages := make([]*poller, n)
		err = l.openAll(n, func(i int, done func()) {
			someone, err := who(i)
			if err != nil {
				l.fail(err)
				return
			}
			pages[i] = &poller{who: someone}
			l.openPoller(i, p.addrs[0], pages[i], done)
		})
		for _, pg := range pages {
			beaters = append(beaters, pg.beat)
		}
		return beaters, func() error {
			return l.openAll(n, func(i int, done func()) {
				pg := pages[i]
				pg.do(appendRequest(nil, "POST", "/heartbeat/beat", pg.to, pg.header, `{"type":"leave"}`), func(r response) {
					pg.close()
					done()
				})
			})
		}, err
	}
}
