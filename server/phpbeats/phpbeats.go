// Package phpbeats counts the beats of a site that PHP answered because of callbacks of plugins, and
// those that PHP did not have to answer.
package phpbeats

import (
	"maps"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// Span is the time for which beats to PHP are counted.
	Span = time.Hour
	// maxCallbacks bounds the callbacks of a site whose beats are counted at a time.
	maxCallbacks = 50
	// maxDays bounds the days for which native beats are counted.
	maxDays = 14
	// maxKept bounds the counters of sites that the node does not serve at the moment.
	maxKept = 10_000
)

// Counter counts the beats of a site on all nodes: those that PHP answered only because of a
// callback of a plugin, in the last hour, and those that nodes answered, by day.
type Counter struct {
	mu            sync.Mutex     // guards the following fields; no other lock is taken under it
	pending       map[string]int // of this node, to be published
	pendingNative int            // of this node, to be published
	minutes       []minute       // the oldest first
	days          map[string]int // native beats by date in UTC
}

// minute is the beats of one minute, by callback.
type minute struct {
	unix  int64
	beats map[string]int
}

// Kept are the counters of sites that the node does not serve at the moment, by site.
type Kept map[string]*Counter

// MakeRoom removes the counters that count nothing any more, if there is no room. It is called before some are kept.
func (k Kept) MakeRoom(now time.Time) {
	if len(k) >= maxKept {
		maps.DeleteFunc(k, func(_ string, kept *Counter) bool { return kept.isEmpty(now) })
	}
}

// Keep keeps the counter of a site, if there is room.
func (k Kept) Keep(site string, c *Counter, now time.Time) {
	if len(k) < maxKept && !c.isEmpty(now) {
		k[site] = c
	}
}

// Take returns the counter of a site, which is no longer kept, or a new one.
func (k Kept) Take(site string) *Counter {
	c := k[site]
	if c == nil {
		return new(Counter)
	}
	delete(k, site)
	return c
}

// isEmpty reports whether nothing is counted.
func (p *Counter) isEmpty(now time.Time) bool {
	return len(p.Native(now)) == 0 && len(p.Sum(now)) == 0
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

// CountNative counts a beat that this node has answered.
func (p *Counter) CountNative() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pendingNative++
}

// Take returns the beats to PHP that were counted since the last call.
func (p *Counter) Take() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.pending
	p.pending = nil
	return taken
}

// TakeNative returns the native beats that were counted since the last call.
func (p *Counter) TakeNative() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.pendingNative
	p.pendingNative = 0
	return taken
}

// Add adds beats that a node has published.
func (p *Counter) Add(beats map[string]int, native int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addNative(native, at)
	if len(beats) == 0 {
		return
	}
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

// addNative adds native beats to their day. It is called with p.mu held.
func (p *Counter) addNative(n int, at time.Time) {
	if n == 0 {
		return
	}
	if p.days == nil {
		p.days = make(map[string]int)
	}
	p.days[at.UTC().Format(time.DateOnly)] += n
	p.dropDays(at)
}

// dropDays removes the days that are too old. It is called with p.mu held.
func (p *Counter) dropDays(now time.Time) {
	oldest := now.UTC().AddDate(0, 0, 1-maxDays).Format(time.DateOnly)
	maps.DeleteFunc(p.days, func(day string, _ int) bool { return day < oldest })
}

// Native returns the native beats of the last days since this node started, by date in UTC.
func (p *Counter) Native(now time.Time) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropDays(now)
	days := make(map[string]int)
	maps.Copy(days, p.days)
	return days
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
