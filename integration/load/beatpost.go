//go:build linux

package main

import "fmt"

// posters opens connections that post the same beat repeatedly. good checks an answer.
func (l *loop) posters(p *process, n int, good func(r response) error) ([]beater, error) {
	beaters := make([]beater, n)
	err := l.openAll(n, func(i int, done func()) {
		who, err := editor(i+1, i+1)
		if err != nil {
			l.fail(err)
			return
		}
		header := "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nHeartbeat-Ticket: " + who.ticket +
			"\r\nHeartbeat-Connection: " + newConnID() + "\r\n"
		request := appendRequest(nil, "POST", "/heartbeat/beat", p.addrs[0], header, who.body)
		c := &caller{opened: done}
		beaters[i] = func(done func()) {
			c.do(request, func(r response) {
				if err := good(r); err != nil {
					l.fail(err)
					return
				}
				done()
			})
		}
		l.openCaller(i, p.addrs[0], c)
	})
	return beaters, err
}

func (b *bench) postCost(p *process, err error, name string, connections int, good func(r response) error) (float64, error) {
	var c cost
	err = with(p, err, func(p *process, l *loop) error {
		beaters, err := l.posters(p, connections, good)
		if err != nil {
			return err
		}
		measure := func() error {
			c, err = b.warm(p, l, beaters)
			return err
		}
		if name == "" {
			return measure()
		}
		return b.profiled(name, p, measure)
	})
	return c.seconds(0), err
}

// postFloor returns the cost of the same requests, each answered with its body.
func (b *bench) postFloor(connections int) (float64, error) {
	p, err := b.floor("post")
	return b.postCost(p, err, "", connections, func(r response) error {
		if r.status != 200 || len(r.body) == 0 {
			return fmt.Errorf("no echo but %d", r.status)
		}
		return nil
	})
}

func (b *bench) beatPost() ([]figure, error) {
	floor, err := b.postFloor(b.beaters)
	if err != nil {
		return nil, err
	}
	p, err := b.heartbeatd()
	ours, err := b.postCost(p, err, "beat-post", b.beaters, func(r response) error {
		if r.status != 200 || len(r.body) == 0 || r.body[0] != '{' {
			return fmt.Errorf("no tick but %d %s", r.status, r.body)
		}
		return nil
	})
	return []figure{{"beat-post", ours, floor}}, err
}
