package phpbeats

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// PublishEvery is the time after which a node publishes the beats to PHP that it has counted.
const PublishEvery = 5 * time.Second

// nativeEvery is after how many of these times it also publishes native beats: nobody waits for
// their number, and sites with pages have some all the time.
const nativeEvery = 12

// Publish publishes what this node has counted for each site, until stop is closed. Beats that
// cannot be published are not counted.
func Publish(b *broker.Broker, sites iter.Seq2[string, *Counter], every time.Duration, stop <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for turn := 1; ; turn++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for site, counter := range sites {
			m := message.Message{Kind: message.PHPBeats, Beats: counter.Take()}
			if turn%nativeEvery == 0 {
				m.Native = counter.TakeNative()
			}
			if len(m.Beats) == 0 && m.Native == 0 {
				continue
			}
			data, _ := json.Marshal(m) // strings and numbers cannot fail
			if _, err := b.Publish(context.Background(), topic.Pushes, site, data); err != nil {
				log.Debug("the number of beats is not published", "site", site, "error", err)
				if over := new(budget.Error); errors.As(err, &over) {
					continue
				}
				break // other sites would wait as well
			}
		}
	}
}
