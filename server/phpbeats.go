package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// publishEvery is the time after which a node publishes the beats to PHP that it has counted.
const publishEvery = 5 * time.Second

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
			beats := st.phpBeats.Take()
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
