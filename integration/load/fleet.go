//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// beatEvery is the time between two beats of a page, and tickWait how long it waits for a tick
	// before it posts the beat to PHP.
	beatEvery = 15 * time.Second
	tickWait  = 2500 * time.Millisecond
	// backOffStart and backOffMost are the longest times between two tries of a page without a link:
	// they double from the first to the second.
	backOffStart, backOffMost = time.Second, 30 * time.Second
)

// fleet is many pages that live by the rules of the drop-in: they come back when their link is lost,
// and post beats to PHP while they have none.
type fleet struct {
	loop    *loop
	to      netip.AddrPort
	beats   calls // of pages that send beats in requests
	php     calls // to the stub of WordPress
	pages   []*fleetPage
	linked  int
	posted  int // requests to PHP
	turn    int // counts the pages that have beaten
	waited  time.Duration
	onPush  func()
	beating bool
}

// fleetPage is one page. Its link reports to it with welcomed, receive and lost.
type fleetPage struct {
	of      *fleet
	n       int
	who     person
	conn    string
	by      string // the transport
	header  string // of its requests
	send    func(beat []byte)
	linked  bool
	round   int           // tries without success
	retry   time.Duration // when the server asked it to come back; 0: it did not
	lostAt  time.Time
	beatAt  time.Time // of a beat without a tick; zero: there is none
	count   int
	opened  func() // called once with the first welcome
	answers func() // called with the next tick
}

// The transports of a mixed fleet, as often as here: of ten pages five have a WebSocket.
var mixed = []string{
	transport.NameWebSocket, transport.NameEvents, transport.NameWebSocket, transport.NameLongPoll, transport.NameWebSocket,
	transport.NameEvents, transport.NameWebSocket, transport.NameLongPoll, transport.NameWebSocket, overPost,
}

// overPost is the transport of pages without a link, whose beats heartbeatd gets in requests.
const overPost = "post"

func newFleet(l *loop, p *process, php *process, most int) *fleet {
	return &fleet{
		loop: l, to: p.addrs[0], onPush: func() {},
		beats: calls{loop: l, to: p.addrs[0], first: most}, php: calls{loop: l, to: php.addrs[0], first: most + maxCalls},
	}
}

// add adds a page, which opens. done is called with the welcome.
func (f *fleet) add(kinds []string, done func()) {
	n := len(f.pages)
	who, err := editor(1_000_000+n, 1_000_000+n/together)
	if err != nil {
		f.loop.fail(err)
		return
	}
	p := &fleetPage{of: f, n: n, who: who, conn: newConnID(), by: kinds[n%len(kinds)], opened: done}
	f.pages = append(f.pages, p)
	p.open()
}

// open opens the page's link.
func (p *fleetPage) open() {
	p.retry = 0
	switch p.by {
	case transport.NameWebSocket:
		p.openSocket()
	case transport.NameEvents, transport.NameLongPoll:
		p.openRequests()
	default:
		p.header = formType + "Heartbeat-Ticket: " + p.who.ticket + "\r\nHeartbeat-Connection: " + p.conn + "\r\n"
		p.send = p.post
		p.welcomed()
	}
}

func (p *fleetPage) welcomed() {
	p.linked, p.round = true, 0
	p.of.linked++
	if p.opened != nil {
		p.opened()
		p.opened = nil
	}
	if !p.lostAt.IsZero() {
		p.of.waited = max(p.of.waited, time.Since(p.lostAt))
		p.lostAt = time.Time{}
	}
}

// lost is called when the link has ended, or could not be opened.
func (p *fleetPage) lost() {
	if p.linked {
		p.linked = false
		p.of.linked--
		p.lostAt = time.Now()
	}
	if !p.beatAt.IsZero() {
		p.toPHP()
	}
	wait := p.retry
	if wait == 0 {
		wait = rand.N(min(backOffMost, backOffStart<<min(p.round, 10)))
		p.round++
	}
	p.of.loop.after(wait, p.open)
}

// receive takes a frame.
func (p *fleetPage) receive(frame []byte) {
	switch kind(frame) {
	case "welcome":
		p.welcomed()
	case "tick", "decline":
		p.ticked(kind(frame) == "tick")
	case "push":
		p.of.onPush()
	case "bye":
		p.retry = retryAfter(frame)
	}
}

func (p *fleetPage) ticked(answered bool) {
	if p.beatAt.IsZero() {
		return
	}
	if late := time.Since(p.beatAt) > tickWait; late || !answered {
		p.toPHP()
	}
	p.beatAt = time.Time{}
	if p.answers != nil {
		p.answers()
	}
}

// beat beats once: over the link, or to PHP.
func (p *fleetPage) beat() {
	if !p.linked {
		p.toPHP()
		return
	}
	if p.beatAt.IsZero() {
		p.beatAt = time.Now()
		p.count++
		p.send(p.who.beat(nil, p.count))
	}
}

// toPHP posts a beat to the stub of WordPress.
func (p *fleetPage) toPHP() {
	p.beatAt = time.Time{}
	p.of.posted++
	p.of.php.do(appendRequest(nil, "POST", "/wp-admin/admin-ajax.php", p.of.php.to, formType, p.who.body), func(_ response, ok bool) {
		if !ok {
			p.of.loop.fail(errHungUp)
		}
	})
}

// beatInTurn has every page beat once in beatEvery, evenly, until beating is set to false.
func (f *fleet) beatInTurn() {
	const step = 10 * time.Millisecond
	f.beating = true
	began, first := time.Now(), f.turn
	var next func()
	next = func() {
		if !f.beating {
			return
		}
		due := first + int(time.Since(began)*time.Duration(len(f.pages))/beatEvery)
		for ; f.turn < due; f.turn++ {
			f.pages[f.turn%len(f.pages)].beat()
		}
		f.loop.after(step, next)
	}
	next()
}

// retryAfter returns the time after which a bye asks its page to come back.
func retryAfter(bye []byte) time.Duration {
	_, rest, _ := bytes.Cut(bye, []byte(`"retry_after_ms":`))
	ms, _ := strconv.Atoi(string(bytes.TrimRight(rest, "}")))
	return time.Duration(ms) * time.Millisecond
}
