package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/heartbeatd/heartbeatd/server/readiness"
)

const (
	// startPoll is the time between two checks whether the node is ready.
	startPoll = 50 * time.Millisecond
	// firstWarning is the time after which a warning says why it is not. The time to the next
	// warning doubles each time, up to maxWarning.
	firstWarning = time.Second
	maxWarning   = time.Minute
	// startTime is the time after which systemd is told with the next warning that the start is over: it
	// would end a node that waits for NATS after TimeoutStartSec.
	startTime = 30 * time.Second
)

// logStart logs that the node is ready when it is, with the attributes, and tells systemd so. Until
// then it warns of the reasons why it is not.
func logStart(ctx context.Context, log *slog.Logger, state func() readiness.State, attributes ...any) {
	wait := firstWarning
	begun := time.Now()
	next := begun.Add(wait)
	for {
		s := state()
		if s.Ready {
			log.Info("ready", attributes...)
			tellSystemd(log, daemon.SdNotifyReady+"\nSTATUS=ready")
			return
		}
		if time.Now().After(next) {
			wait = min(2*wait, maxWarning)
			next = time.Now().Add(wait)
			log.Warn("not ready: "+s.String(), append(attributes, "next warning in", wait)...)
			told := "STATUS=not ready: " + s.String()
			if time.Since(begun) > startTime {
				told = daemon.SdNotifyReady + "\n" + told
			}
			tellSystemd(log, told)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(startPoll):
		}
	}
}

// tellSystemd sends a state to systemd, if the process is a unit of Type=notify.
func tellSystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd does not hear of the state of heartbeatd: "+err.Error(), "state", state)
	}
}
