package transport

import (
	"sync"
	"time"
)

const (
	// pingInterval is short enough to keep idle connections open through proxies, which
	// usually close them after a minute, and to notice lost connections within a TTL,
	// including the time for the pong and the grace period. A page that gives up a silent
	// server after 1.4 times as long is back before its entries expire: the server has renewed
	// them at most a third of the TTL earlier.
	pingInterval = 25 * time.Second
	// pingStep is the time between two slots of the pinger.
	pingStep = 100 * time.Millisecond

	pingSlots = int(pingInterval / pingStep)
	// pongSlots is the number of slots within which the pong must arrive.
	pongSlots = int(WriteTimeout / pingStep)
)

// aliveFrame is sent with each ping: a script in a page does not see pings.
const aliveFrame = `{"type":"alive"}`

// pinger pings all WebSockets of a node, each once in pingInterval, with one timer. It is a
// timing wheel: every pingStep it advances to the next slot and pings the sockets in it. A
// socket stays in the slot at which the wheel stood when the socket was added.
type pinger struct {
	mu    sync.Mutex
	slots [pingSlots][]*socket
	at    int // the current slot
	count int // sockets
	timer *time.Timer
}

// wheelPlace is the place of a socket on the wheel.
type wheelPlace struct{ slot, index int }

func (p *pinger) add(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.place = wheelPlace{p.at, len(p.slots[p.at])}
	p.slots[p.at] = append(p.slots[p.at], s)
	if p.count++; p.count > 1 {
		return
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(pingStep, p.advance)
	} else {
		p.timer.Reset(pingStep)
	}
}

func (p *pinger) remove(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.slots[s.place.slot]
	last := len(slot) - 1
	slot[s.place.index] = slot[last]
	slot[s.place.index].place = s.place
	slot[last] = nil
	p.slots[s.place.slot] = slot[:last]
	if p.count--; p.count == 0 {
		p.timer.Stop()
	}
}

// advance pings the sockets of the next slot. It closes those that were pinged WriteTimeout
// ago and have not answered, or have been sending the same message since then.
func (p *pinger) advance() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = (p.at + 1) % pingSlots
	for _, s := range p.slots[p.at] {
		s.isLate()
		s.writer.ping()
	}
	for _, s := range p.slots[(p.at+pingSlots-pongSlots)%pingSlots] {
		if s.isLate() || s.writer.awaiting.Load() {
			_ = s.net.Close() // wakes the reader, which ends the connection
		}
	}
	if p.count > 0 {
		p.timer.Reset(pingStep)
	}
}

// closeAll closes the connections of all sockets.
func (p *pinger) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, slot := range p.slots {
		for _, s := range slot {
			_ = s.net.Close() // wakes the reader, which ends the connection
		}
	}
}
