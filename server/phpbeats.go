package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// phpBeatsSpan is the time for which beats to PHP are counted.
	phpBeatsSpan = time.Hour
	// maxCallbacks bounds the callbacks of a site whose beats are counted at a time.
	maxCallbacks = 50
	// publishEvery is the time after which a node publishes the beats that it has counted.
	publishEvery = 5 * time.Second
)

// phpBeats counts the beats of a site that PHP answered only because of a callback of a
// plugin, in the last hour and on all nodes.
type phpBeats struct {
	mu      sync.Mutex     // guards the following fields; no other lock is taken under it
	pending map[string]int // of this node, to be published
	minutes []phpMinute    // the oldest first
}

// phpMinute is the beats of one minute, by callback.
type phpMinute struct {
	unix  int64
	beats map[string]int
}

// count counts the beat that PHP answered with newer claims.
func (p *phpBeats) count(old, newer *ticket.Claims) {
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

// take returns the beats that were counted since the last call.
func (p *phpBeats) take() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.pending
	p.pending = nil
	return taken
}

// add adds beats that a node has published.
func (p *phpBeats) add(beats map[string]int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(at)
	minute := at.Unix() / 60
	if n := len(p.minutes); n == 0 || p.minutes[n-1].unix < minute {
		p.minutes = append(p.minutes, phpMinute{minute, make(map[string]int)})
	}
	last := p.minutes[len(p.minutes)-1]
	for key, n := range beats {
		addBeats(last.beats, key, n)
	}
}

// sum returns the beats of the last hour by callback.
func (p *phpBeats) sum(now time.Time) map[string]int {
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
func (p *phpBeats) drop(now time.Time) {
	oldest := now.Add(-phpBeatsSpan).Unix() / 60
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

// publishPHPBeats publishes what this node has counted, until stop is closed. Beats that cannot
// be published are not counted.
func publishPHPBeats(b *broker.Broker, sites *sites, every time.Duration, stop <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for _, st := range sites.all() {
			beats := st.phpBeats.take()
			if len(beats) == 0 {
				continue
			}
			data, _ := json.Marshal(message.Message{Kind: message.PHPBeats, Beats: beats}) // strings and numbers cannot fail
			if _, err := b.Publish(context.Background(), broker.Pushes, st.ID, data); err != nil {
				log.Debug("the number of beats to PHP is not published", "site", st.ID, "error", err)
				if over := new(budget.Error); errors.As(err, &over) {
					continue
				}
				break // other sites would wait as well
			}
		}
	}
}
