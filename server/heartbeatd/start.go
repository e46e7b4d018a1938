package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/heartbeatd/heartbeatd/server/readiness"
)

const (
	// startPoll is the time between two checks whether the node is ready.
	startPoll = 50 * time.Millisecond
	// firstWarning is the time after which a warning says why it is not. The time to the next
	// warning doubles each time, up to maxWarning.
	firstWarning = time.Second
	maxWarning   = time.Minute
)

// logStart logs that the node is ready when it is, with the attributes. Until then it warns of the
// reasons why it is not.
func logStart(ctx context.Context, log *slog.Logger, state func() readiness.State, attributes ...any) {
	wait := firstWarning
	next := time.Now().Add(wait)
	for {
		s := state()
		if s.Ready {
			log.Info("ready", attributes...)
			return
		}
		if time.Now().After(next) {
			wait = min(2*wait, maxWarning)
			next = time.Now().Add(wait)
			log.Warn("not ready: "+s.String(), append(attributes, "next warning in", wait)...)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(startPoll):
		}
	}
}
