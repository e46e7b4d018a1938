//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// joinsPerSecond is how fast pages join, and mostJoins how many.
	joinsPerSecond, mostJoins = 1000, 1000
	// restartAfter is the time after which a service manager starts heartbeatd again: RestartSec of
	// the unit in integration/recipes/systemd.
	restartAfter = time.Second
	// backWait is how long it may take until all pages have a link again.
	backWait = 3 * time.Minute
)

// scaleRun is the measurement of one number of pages over real connections.
type scaleRun struct {
	*bench
	scaleFigures
	loop   *loop
	fleet  *fleet
	server *process
	share  float64 // of a core, while the pages are idle
}

// scaleSockets measures pages over real connections.
func (b *bench) scaleSockets(f scaleFigures) error {
	if err := b.scaleFloors(f); err != nil {
		return err
	}
	php, err := b.floor("post")
	if err != nil {
		return err
	}
	defer func() { _ = php.stop() }()
	p, err := b.tracedHeartbeatd("127.0.0.1:0")
	return with(p, err, func(p *process, l *loop) error {
		r := &scaleRun{bench: b, scaleFigures: f, loop: l, server: p, fleet: newFleet(l, p, php, f.pages)}
		defer func() { _ = r.server.stop() }()
		for _, step := range []func() error{r.open, r.idle, r.beat, r.push, r.drain, r.kill} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}

// tracedHeartbeatd starts a heartbeatd that logs the pauses of its garbage collector.
func (b *bench) tracedHeartbeatd(listen string) (*process, error) {
	cmd := exec.Command(b.binary, "--listen", listen, "--admin-listen", "127.0.0.1:0",
		"--site-id", siteID, "--site-secret", siteSecret, "--api-key", apiKey)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(b.binary), "GODEBUG=gctrace=1")
	return start(cmd, b.core)
}

// scaleFloors measures the least memory of so many WebSockets, the least cost of a message to each in
// turn, and that of a message to all.
func (b *bench) scaleFloors(f scaleFigures) error {
	if f.kind != overSockets {
		return nil
	}
	some := *b
	some.pages = f.pages
	memory, err := some.connectionFloor("websocket")
	if err != nil {
		return err
	}
	f.setFloor("memory", memory)
	beat, err := some.coldEcho()
	if err != nil {
		return err
	}
	f.setFloor("beat", beat)
	p, err := b.floor("broadcast")
	return with(p, err, func(p *process, l *loop) error {
		a, err := l.floorAudience(p, f.pages)
		if err != nil {
			return err
		}
		first, last, err := a.once()
		f.setFloor("push-first", ms(first))
		f.setFloor("push-last", ms(last))
		return err
	})
}

// coldEcho returns the cost of messages that are echoed, one of each connection in turn.
func (b *bench) coldEcho() (float64, error) {
	var c cost
	p, err := b.floor("websocket")
	err = with(p, err, func(p *process, l *loop) error {
		beaters, err := l.openEchoes(p, b.pages)
		if err != nil {
			return err
		}
		c, err = l.twice(p, beaters)
		return err
	})
	return c.seconds(0), err
}

// twice has every beater beat twice, and measures the second time: the first one warms up the server.
func (l *loop) twice(p *process, all []beater) (c cost, err error) {
	for range 2 {
		if c, err = l.cost(p, all, 1); err != nil {
			return c, err
		}
	}
	return c, nil
}

// once sends one message, and returns when the first and the last page has it.
func (a *audience) once() (first, last time.Duration, err error) {
	a.timed, a.delays = true, nil
	done := false
	a.delivered = func() { done = true }
	a.send()
	err = a.loop.run(pushWait, func() bool { return done })
	if err == nil {
		first, last = percentile(a.delays, 0), percentile(a.delays, 100)
	}
	return first, last, err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// open opens the pages, the last of them at a constant rate.
func (r *scaleRun) open() error {
	empty, err := r.server.memory()
	if err != nil {
		return err
	}
	joins := min(mostJoins, r.pages/2)
	if err := r.loop.openAll(r.pages-joins, func(_ int, done func()) { r.fleet.add(kindsOf(r.kind), done) }); err != nil {
		return err
	}
	if err := r.loop.rest(r.settle); err != nil {
		return err
	}
	before, err := r.loop.calm(r.server)
	if err != nil {
		return err
	}
	joined, slowest := 0, time.Duration(0)
	for i := range joins {
		r.loop.after(time.Duration(i)*time.Second/joinsPerSecond, func() {
			began := time.Now()
			r.fleet.add(kindsOf(r.kind), func() {
				joined++
				slowest = max(slowest, time.Since(began))
			})
		})
	}
	if err := r.loop.run(joinWait, func() bool { return joined == joins }); err != nil {
		return fmt.Errorf("%d of %d pages have joined: %w", joined, joins, err)
	}
	after, err := r.loop.calm(r.server)
	if err != nil {
		return err
	}
	r.set("join", (after-before).Seconds()/float64(joins)*1000)
	r.set("join-last", ms(slowest))
	if err := r.loop.rest(r.settle); err != nil {
		return err
	}
	used, err := r.server.memory()
	r.set("memory", kib(used-empty, r.pages))
	return err
}

// idle measures the CPU of pages that do not beat.
func (r *scaleRun) idle() (err error) {
	r.share, err = r.loop.share(r.server, r.bench.idle)
	r.set("idle", 100*r.share)
	return err
}

// beat has each page beat once in turn.
func (r *scaleRun) beat() error {
	all := make([]beater, len(r.fleet.pages))
	for i, p := range r.fleet.pages {
		all[i] = func(done func()) {
			p.answers = done
			p.beat()
		}
	}
	c, err := r.loop.twice(r.server, all)
	for _, p := range r.fleet.pages {
		p.answers = nil
	}
	r.set("beat", c.seconds(r.share))
	return err
}

// push pushes to everyone.
func (r *scaleRun) push() error {
	a := &audience{loop: r.loop}
	for _, p := range r.fleet.pages {
		if p.by != overPost {
			a.size++
		}
	}
	r.fleet.onPush = func() { a.receive(len(a.missing) - 1) }
	api := calls{loop: r.loop, to: r.server.addrs[1], first: r.pages + 2*maxCalls}
	request := appendRequest(nil, "POST", "/api/v1/push", api.to, jsonType+"Authorization: Bearer "+apiKey+"\r\n",
		`{"site":"`+siteID+`","to":{"all":true},"data":`+pushed+`}`)
	a.publish = func() {
		api.do(request, func(answer response, ok bool) {
			if !ok || answer.status != 202 {
				r.loop.fail(fmt.Errorf("a push was refused: %d %s", answer.status, answer.body))
			}
		})
	}
	if _, _, err := a.once(); err != nil { // warms up
		return err
	}
	first, last, err := a.once()
	r.set("push-first", ms(first))
	r.set("push-last", ms(last))
	r.set("gc", ms(r.server.longestPause()))
	r.fleet.onPush = func() {}
	return err
}

// drain stops the node as for a deployment, and starts it again at once.
func (r *scaleRun) drain() error {
	r.set("core-php", float64(r.pages)/beatEvery.Seconds())
	ended, err := r.outage("drain", syscall.SIGTERM, 0)
	r.set("drain", ended.Seconds())
	return err
}

// kill kills the node, which is started again after a while.
func (r *scaleRun) kill() error {
	if err := r.loop.rest(2 * r.settle); err != nil {
		return err
	}
	_, err := r.outage("kill", syscall.SIGKILL, restartAfter)
	return err
}

// outage ends the node, starts it again, and measures until all pages have a link again. Meanwhile
// each page beats. It returns after what time the node has ended.
func (r *scaleRun) outage(name string, by syscall.Signal, restart time.Duration) (ended time.Duration, err error) {
	f, links := r.fleet, 0
	for _, p := range f.pages {
		if p.linked {
			links++
		}
	}
	before, err := r.server.cpu()
	if err != nil {
		return 0, err
	}
	f.beatInTurn()
	began := time.Now()
	f.waited, f.posted = 0, 0
	if err := r.server.cmd.Process.Signal(by); err != nil {
		return 0, err
	}
	old := r.server
	if err := r.loop.run(backWait, old.hasEnded); err != nil {
		return 0, fmt.Errorf("the node does not end: %w", err)
	}
	ended = time.Since(began)
	if err := r.startAgain(restart); err != nil {
		return ended, err
	}
	if err := r.loop.run(backWait, func() bool { return f.linked == links }); err != nil {
		return ended, fmt.Errorf("%d of %d pages are back: %w", f.linked, links, err)
	}
	lasted := time.Since(began)
	f.beating = false
	after, err := r.loop.calm(r.server)
	r.set(name+"-back", f.waited.Seconds())
	r.set(name+"-cpu", (old.usedCPU() - before + after).Seconds())
	r.set(name+"-php", float64(f.posted)/lasted.Seconds())
	return ended, err
}

// startAgain starts the node at the same address.
func (r *scaleRun) startAgain(wait time.Duration) error {
	type started struct {
		p   *process
		err error
	}
	listen := r.server.addrs[0].String()
	done := make(chan started, 1)
	r.loop.after(wait, func() {
		go func() {
			p, err := r.tracedHeartbeatd(listen)
			done <- started{p, err}
		}()
	})
	var is started
	err := r.loop.run(wait+startWait, func() bool {
		select {
		case is = <-done:
			return true
		default:
			return false
		}
	})
	if err == nil {
		err = is.err
	}
	if err == nil {
		r.server = is.p
	}
	return err
}
