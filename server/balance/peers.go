package balance

import (
	"encoding/json"
	"sync"
	"time"
)

const (
	// every is how often a node tells the others how many pages it has.
	every = 5 * time.Second
	// silence is after what time without a message a node is forgotten.
	silence = 3*every + time.Second
	// maxPeers is the number of other nodes that a node knows. It ignores more.
	maxPeers = 1000
	// maxName is the largest number of bytes of a node's name.
	maxName = 64
)

// Load is what a node tells the others.
type Load struct {
	Node     string `json:"node"`
	Pages    int    `json:"pages"`
	Draining bool   `json:"draining,omitempty"`
}

// peers are the other nodes.
type peers struct {
	mu    sync.Mutex // guards known; no other lock is taken under it
	known map[string]peer
}

type peer struct {
	Load
	heard time.Time
}

// hear takes what a node has told.
func (p *peers) hear(data []byte, own string, now time.Time) {
	var l Load
	if json.Unmarshal(data, &l) != nil || l.Node == "" || l.Node == own || len(l.Node) > maxName || l.Pages < 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	if _, found := p.known[l.Node]; !found && len(p.known) >= maxPeers {
		return
	}
	if p.known == nil {
		p.known = make(map[string]peer)
	}
	p.known[l.Node] = peer{l, now}
}

// accepting returns the numbers of pages of the other nodes to which pages may come.
func (p *peers) accepting(now time.Time) (pages []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	for _, other := range p.known {
		if !other.Draining {
			pages = append(pages, other.Pages)
		}
	}
	return pages
}

// all returns what the other nodes have told.
func (p *peers) all(now time.Time) (loads []Load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(now)
	for _, other := range p.known {
		loads = append(loads, other.Load)
	}
	return loads
}

// forget removes nodes that have been silent. It is called with p.mu held.
func (p *peers) forget(now time.Time) {
	for name, other := range p.known {
		if now.Sub(other.heard) > silence {
			delete(p.known, name)
		}
	}
}
