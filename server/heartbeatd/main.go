// Command heartbeatd makes WordPress's Heartbeat API real-time.
//
//	heartbeatd            serve; with no site configured, a demo site
//	heartbeatd watch      joins, updates and leaves as they happen
//	heartbeatd push       data to a room, a user or everyone
//	heartbeatd nudge      let pages beat now
//	heartbeatd doctor     check a deployment from end to end
//	heartbeatd ticket     sign a ticket, for tests and other back ends
//
// Every flag has an environment variable HEARTBEATD_… and a place in the
// config file.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Config kong.ConfigFlag `help:"Read flags from this JSON file." placeholder:"FILE"`

	Serve  serveCmd  `cmd:"" default:"withargs" help:"Answer beats. With no site configured: a demo site, ready to look at."`
	Watch  watchCmd  `cmd:"" help:"Print joins, updates and leaves as they happen, read from NATS."`
	Push   pushCmd   `cmd:"" help:"Push data to the pages of a room, a user or everyone."`
	Nudge  nudgeCmd  `cmd:"" help:"Let the pages of a room, a user or everyone beat now."`
	Doctor doctorCmd `cmd:"" help:"Check a deployment from end to end: what is wrong, and how to mend it."`
	Ticket ticketCmd `cmd:"" help:"Sign a ticket, for tests and other back ends."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second one ends us as it would anybody
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "heartbeatd:", err)
		os.Exit(1)
	}
}

// run is main as a value: it ends when ctx does.
func run(ctx context.Context, args []string) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("heartbeatd"),
		kong.Description("WordPress's Heartbeat API over WebSocket, long-poll or POST, with presence on NATS."),
		kong.DefaultEnvars("HEARTBEATD"),
		kong.Configuration(loadConfig),
		kong.UsageOnError(),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	err = command.Run()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
