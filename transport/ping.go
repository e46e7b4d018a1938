package transport

import (
	"sync"
	"time"
)

const (
	// pingInterval keeps proxies from closing an idle socket (their usual limit
	// is a minute) and finds clients that went without a word: with the time for
	// the pong and the grace, within a TTL.
	pingInterval = 30 * time.Second
	// pingStep is how finely pings are spread over the interval.
	pingStep = 100 * time.Millisecond

	pingSlots = int(pingInterval / pingStep)
	// pongSlots later the pong must have come.
	pongSlots = int(writeTimeout / pingStep)
)

// pinger pings all sockets of a node, each once in pingInterval, with one timer:
// a wheel that turns once in that time, with every socket in the slot where the
// wheel stood when it came.
type pinger struct {
	mu    sync.Mutex
	slots [pingSlots][]*socket
	at    int
	count int
	timer *time.Timer
}

// pinged is the place of a socket on the wheel.
type pinged struct{ slot, index int }

func (p *pinger) add(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.pinged = pinged{p.at, len(p.slots[p.at])}
	p.slots[p.at] = append(p.slots[p.at], s)
	if p.count++; p.count > 1 {
		return
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(pingStep, p.turn)
	} else {
		p.timer.Reset(pingStep)
	}
}

func (p *pinger) remove(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.slots[s.pinged.slot]
	last := len(slot) - 1
	slot[s.pinged.index] = slot[last]
	slot[s.pinged.index].pinged = s.pinged
	slot[last] = nil
	p.slots[s.pinged.slot] = slot[:last]
	if p.count--; p.count == 0 {
		p.timer.Stop()
	}
}

// turn pings the sockets that it is time for, and closes those that were pinged
// writeTimeout ago and said nothing.
func (p *pinger) turn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = (p.at + 1) % pingSlots
	for _, s := range p.slots[p.at] {
		s.ping()
	}
	for _, s := range p.slots[(p.at+pingSlots-pongSlots)%pingSlots] {
		if s.unanswered.Load() {
			_ = s.wire.Close() // wakes the reader, which ends the connection
		}
	}
	if p.count > 0 {
		p.timer.Reset(pingStep)
	}
}
