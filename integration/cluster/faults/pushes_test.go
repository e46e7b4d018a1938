//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// TestMissedPushes checks how pushes count that a page has not received. Only one that NATS may have removed before the fault was over may
// be replaced by the frame missed, and none may be missing without it.
func TestMissedPushes(t *testing.T) {
	healed := time.Now()
	for name, c := range map[string]struct {
		ago           time.Duration
		told          bool
		lost, early   int
		losesStream   bool
		wrong, missed int
	}{
		"old, and told":                       {ago: topic.PushAge, told: true, missed: 1},
		"old, and not told":                   {ago: topic.PushAge, lost: 1, wrong: 1},
		"still stored, and told":              {ago: time.Minute, told: true, missed: 1, early: 1, wrong: 1},
		"still stored, and not told":          {ago: time.Minute, lost: 1, wrong: 1},
		"lost with the stream, and told":      {ago: time.Minute, told: true, losesStream: true, missed: 1, early: 1},
		"lost with the stream, and not told":  {ago: time.Minute, losesStream: true, lost: 1, wrong: 1},
		"told before the push, and not later": {ago: -time.Minute, told: true, lost: 1, wrong: 1},
	} {
		t.Run(name, func(t *testing.T) {
			sent := healed.Add(-c.ago)
			one := &page.Page{Place: backend.Place{User: backend.User{Site: "a", ID: 1}}, Opened: sent.Add(-time.Hour)}
			s := page.State{First: sent.Add(-time.Hour)}
			if c.told {
				s.Missed = []time.Time{healed}
			}
			pushed := []push{{n: 1, site: "a", to: backend.To{All: true}, sent: sent, accepted: sent}}
			r := row{}
			r.pushes.page(one, &s, pushed, map[int]*push{1: &pushed[0]}, healed)
			if p := r.pushes; p.lost != c.lost || p.missed != c.missed || p.early != c.early {
				t.Errorf("lost %d, missed %d, early %d", p.lost, p.missed, p.early)
			}
			if r.judgePushes(&fault{losesStream: c.losesStream}); len(r.wrong) != c.wrong {
				t.Errorf("wrong: %q", r.wrong)
			}
		})
	}
}
