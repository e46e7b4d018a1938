// Package phpbeats counts the beats of a site that PHP answered because of callbacks of plugins.
package phpbeats

import (
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// Span is the time for which beats to PHP are counted.
	Span = time.Hour
	// maxCallbacks bounds the callbacks of a site whose beats are counted at a time.
	maxCallbacks = 50
)

// Counter counts the beats of a site that PHP answered only because of a callback of a
// plugin, in the last hour and on all nodes.
type Counter struct {
	mu      sync.Mutex     // guards the following fields; no other lock is taken under it
	pending map[string]int // of this node, to be published
	minutes []minute       // the oldest first
}

// minute is the beats of one minute, by callback.
type minute struct {
	unix  int64
	beats map[string]int
}

// Count counts the beat that PHP answered with newer claims.
func (p *Counter) Count(old, newer *ticket.Claims) {
	if len(newer.Callbacks) == 0 || !newer.IssuedAt.After(old.IssuedAt.Time) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[string]int)
	}
	for _, key := range newer.Callbacks[:min(len(newer.Callbacks), maxCallbacks)] {
		addBeats(p.pending, key, 1)
	}
}

// Take returns the beats that were counted since the last call.
func (p *Counter) Take() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.pending
	p.pending = nil
	return taken
}

// Add adds beats that a node has published.
func (p *Counter) Add(beats map[string]int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(at)
	unix := at.Unix() / 60
	if n := len(p.minutes); n == 0 || p.minutes[n-1].unix < unix {
		p.minutes = append(p.minutes, minute{unix, make(map[string]int)})
	}
	last := p.minutes[len(p.minutes)-1]
	for key, n := range beats {
		addBeats(last.beats, key, n)
	}
}

// Sum returns the beats of the last hour by callback.
func (p *Counter) Sum(now time.Time) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(now)
	all := make(map[string]int)
	for _, m := range p.minutes {
		for key, n := range m.beats {
			all[key] += n
		}
	}
	return all
}

// drop removes the minutes that are too old. It is called with p.mu held.
func (p *Counter) drop(now time.Time) {
	oldest := now.Add(-Span).Unix() / 60
	for len(p.minutes) > 0 && p.minutes[0].unix <= oldest {
		p.minutes = p.minutes[1:]
	}
}

// addBeats adds beats of one callback, unless there are too many callbacks.
func addBeats(to map[string]int, key string, n int) {
	if _, found := to[key]; found || len(to) < maxCallbacks {
		to[key] += n
	}
}
