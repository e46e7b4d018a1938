package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/heartbeatd/heartbeatd/broker"
)

// openBroker opens a broker. If the default state folder cannot be used, the embedded NATS server keeps nothing.
func (c *serveCmd) openBroker(ctx context.Context, config broker.Config, demo bool) (*broker.Broker, error) {
	unusable := new(broker.StateDirError)
	switch {
	case c.NatsURL != "" && c.StateDir != "":
		return nil, errors.New("--state-dir is for the embedded NATS server, not together with --nats-url")
	case c.StateDir != "":
		config.StateDir = c.StateDir
		b, err := broker.Open(ctx, config)
		if errors.As(err, &unusable) {
			err = fmt.Errorf("--state-dir: %w", err)
		}
		return b, err
	case c.NatsURL != "" || demo:
		return broker.Open(ctx, config)
	}
	dir, err := defaultStateDir()
	if err == nil {
		kept := config
		kept.StateDir = dir
		var b *broker.Broker
		if b, err = broker.Open(ctx, kept); !errors.As(err, &unusable) {
			return b, err
		}
	}
	config.Logger.Warn("revocations of tickets are lost when heartbeatd ends: for up to an hour after that, a user who logged out can use a ticket of before. Set --state-dir to a folder that heartbeatd may write to", "error", err)
	return broker.Open(ctx, config)
}

// defaultStateDir returns the folder for the state of this service or of this user.
func defaultStateDir() (string, error) {
	if dirs := filepath.SplitList(os.Getenv("STATE_DIRECTORY")); len(dirs) > 0 {
		return dirs[0], nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "heartbeatd"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "heartbeatd"), err
}
