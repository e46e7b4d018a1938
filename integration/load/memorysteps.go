//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// startTime is how long a node that is started again needs until it listens: see docs/speed.md.
const startTime = 300 * time.Millisecond

// memoryDrain is the time for a drain: the default of --drain-time.
const memoryDrain = 20 * time.Second

// add makes a page. It has no connection.
func (w *memoryWorld) add() *memoryPage {
	p := &memoryPage{world: w}
	w.pages = append(w.pages, p)
	return p
}

// hello returns the hello of the nth page.
func (w *memoryWorld) hello(n int) ([]byte, error) {
	who, err := editor(1_000_000+n, 1_000_000+n/together)
	return []byte(who.hello(fmt.Sprintf("page-%08d", n), true)), err
}

// openRequest stands for the request of each page that opens.
var openRequest = httptest.NewRequest("GET", "http://load.example/", nil)

// connect opens the page's connection.
func (p *memoryPage) connect(hello []byte) (err error) {
	p.conn, err = p.world.network.Open(openRequest, hello, p)
	return err
}

// Ended implements memtransport.Client.
func (p *memoryPage) Ended(*transport.Bye) {}

// joinPages opens pages at a constant rate, or as fast as they can be opened if it is 0. It returns the CPU
// time, and the longest time from when a page was due until it was open.
func (w *memoryWorld) joinPages(n, perSecond int) (cpu, slowest time.Duration, err error) {
	hellos := make([][]byte, n)
	for i := range hellos {
		if hellos[i], err = w.hello(len(w.pages) + i); err != nil {
			return 0, 0, err
		}
	}
	began, before := time.Now(), usedCPU()
	for i, hello := range hellos {
		due := time.Now()
		if perSecond > 0 {
			due = began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
			time.Sleep(time.Until(due))
		}
		if err := w.add().connect(hello); err != nil {
			return 0, 0, fmt.Errorf("page %d: %w", len(w.pages), err)
		}
		slowest = max(slowest, time.Since(due))
	}
	if perSecond > 0 { // otherwise nobody asks
		w.calm()
	}
	return usedCPU() - before, slowest, nil
}

// calm waits until the process uses nearly no CPU.
func (w *memoryWorld) calm() {
	last := usedCPU()
	for end := time.Now().Add(calmWait); time.Now().Before(end); {
		time.Sleep(calmInterval)
		now := usedCPU()
		if now-last < calmInterval/10 {
			return
		}
		last = now
	}
}

// open opens the pages, the last of them at a constant rate.
func (w *memoryWorld) open() error {
	empty, err := memoryOf(os.Getpid())
	if err != nil {
		return err
	}
	joins := min(mostJoins, w.Pages/2)
	const atOnce = 1000 // so that their tickets are not all in memory
	for left := w.Pages - joins; left > 0; left -= atOnce {
		if _, _, err := w.joinPages(min(left, atOnce), 0); err != nil {
			return err
		}
	}
	w.say("open")
	time.Sleep(w.Settle)
	cpu, slowest, err := w.joinPages(joins, joinsPerSecond)
	if err != nil {
		return err
	}
	w.figures["join"], w.figures["join-last"] = cpu.Seconds()/float64(joins)*1000, ms(slowest)
	time.Sleep(w.Settle)
	used, err := memoryOf(os.Getpid())
	w.figures["memory"] = kib(used-empty, w.Pages)
	return err
}

// idle measures the CPU of pages that do not beat.
func (w *memoryWorld) idle() error {
	w.say("idle")
	began, before := time.Now(), usedCPU()
	time.Sleep(w.Idle)
	w.share = (usedCPU() - before).Seconds() / time.Since(began).Seconds()
	w.figures["idle"] = 100 * w.share
	return nil
}

// beat has each page beat once in turn, and once again, which is measured.
func (w *memoryWorld) beat() error {
	w.say("beats")
	who, err := editor(1, 1)
	if err != nil {
		return err
	}
	var c cost
	var frame []byte
	for id := range 2 {
		began, before, wanted := time.Now(), usedCPU(), w.ticks.Load()+int64(len(w.pages))
		for n, p := range w.pages {
			who.body = editorBody(strconv.Itoa(1_000_000 + n/together))
			frame = who.beat(frame[:0], id+1)
			p.conn.Send(frame)
		}
		for w.ticks.Load() < wanted {
			if time.Since(began) > beatWait {
				return fmt.Errorf("%d beats have no tick", wanted-w.ticks.Load())
			}
			time.Sleep(time.Millisecond)
		}
		w.calm()
		c = cost{len(w.pages), usedCPU() - before, time.Since(began)}
	}
	w.figures["beat"] = c.seconds(w.share)
	return nil
}

// push pushes to everyone twice, and measures the second push.
func (w *memoryWorld) push() error {
	w.say("push")
	for range 2 {
		t := &w.pushes
		t.expect(len(w.pages))
		began := time.Now()
		if err := w.publish(); err != nil {
			return err
		}
		select {
		case <-t.all:
		case <-time.After(pushWait):
			return errLate
		}
		w.figures["push-first"], w.figures["push-last"] = ms(t.first.Sub(began)), ms(t.last.Sub(began))
		w.calm()
	}
	w.figures["gc"] = ms(longestPause())
	return nil
}

// back is a page that comes back at a time after the loss of its link.
type back struct {
	n  int
	at time.Duration
}

// rush has all pages come to a node that has just been started, as after kill -9: by the rules of the
// drop-in, while the node was away for restartAfter and startTime.
func (w *memoryWorld) rush() error {
	for range w.Pages {
		w.add()
	}
	away := restartAfter + startTime
	comes := make([]back, w.Pages)
	for n := range comes {
		comes[n].n = n
		for round := 0; comes[n].at < away; round++ {
			comes[n].at += rand.N(min(backOffMost, backOffStart<<min(round, 10)))
		}
	}
	waits, cpu, err := w.comeBack(comes, away)
	w.returned("kill", waits, cpu)
	return err
}

// comeBack opens the pages again, after some time of the outage has passed. It returns for how long each
// page had no link, and the CPU time.
func (w *memoryWorld) comeBack(comes []back, passed time.Duration) (waits []time.Duration, cpu time.Duration, err error) {
	slices.SortFunc(comes, func(a, b back) int { return cmp.Compare(a.at, b.at) })
	hellos := make([][]byte, len(comes))
	for i, c := range comes {
		if hellos[i], err = w.hello(c.n); err != nil {
			return nil, 0, err
		}
	}
	w.say("coming back")
	began, before := time.Now().Add(-passed), usedCPU()
	waits = make([]time.Duration, len(comes))
	for i, c := range comes {
		time.Sleep(time.Until(began.Add(c.at)))
		if err := w.pages[c.n].connect(hellos[i]); err != nil {
			return nil, 0, err
		}
		waits[c.n] = time.Since(began)
	}
	w.calm()
	return waits, usedCPU() - before, nil
}

// returned takes the figures of an outage. A page posts the beats to PHP that are due while it has no
// link; when they are due is random.
func (w *memoryWorld) returned(name string, waits []time.Duration, cpu time.Duration) {
	posted := 0
	for _, wait := range waits {
		posted += int((wait + rand.N(beatEvery)) / beatEvery)
	}
	longest := slices.Max(waits)
	w.figures[name+"-back"], w.figures[name+"-cpu"] = longest.Seconds(), cpu.Seconds()
	w.figures[name+"-php"] = float64(posted) / longest.Seconds()
}

// drain ends the node as for a deployment. The pages come back to another one when they were asked to: the
// time begins when that one listens, so the longest time without a link is a little too short.
func (w *memoryWorld) drain() error {
	w.say("draining")
	began, before := time.Now(), usedCPU()
	w.server.Drain(context.Background(), memoryDrain)
	err := w.stop()
	ended := time.Since(began)
	w.figures["drain"] = ended.Seconds()
	if byes := int(w.byes.Load()); err != nil || byes != w.Pages {
		return errors.Join(err, fmt.Errorf("%d of %d pages got a bye", byes, w.Pages))
	}
	used := usedCPU() - before
	if err := w.start(); err != nil {
		return err
	}
	comes := make([]back, w.Pages)
	for n, p := range w.pages {
		comes[n] = back{n, p.retry}
	}
	waits, cpu, err := w.comeBack(comes, 0)
	if err != nil {
		return err
	}
	w.returned("drain", waits, used+cpu)
	return w.stop()
}
