// Command heartbeatd makes WordPress's Heartbeat API real-time.
//
//	heartbeatd            answers beats; without a configured site, those of a demo site
//	heartbeatd watch      prints joins, updates and leaves as they happen
//	heartbeatd push       pushes data to a room, a user or everyone
//	heartbeatd nudge      asks pages to beat now
//	heartbeatd doctor     checks a deployment from end to end
//	heartbeatd ticket     signs a ticket, for tests and other back ends
//	heartbeatd config     checks a configuration, or prints an example of one
//	heartbeatd version    prints the version
//
// Every flag can also be set by an environment variable HEARTBEATD_… and in the
// configuration file.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/terminal"
	"github.com/heartbeatd/heartbeatd/server/version"
)

type cli struct {
	Config kong.ConfigFlag `help:"Read flags from a JSON file." placeholder:"FILE"`

	logFlags `embed:""`

	Serve  serveCmd  `cmd:"" default:"withargs" help:"Answer beats. Without a configured site, serve a demo site."`
	Watch  watchCmd  `cmd:"" help:"Print joins, updates and leaves as they happen, from NATS."`
	Push   pushCmd   `cmd:"" help:"Push data to the pages of a room, a user or everyone."`
	Nudge  nudgeCmd  `cmd:"" help:"Ask the pages of a room, a user or everyone to beat now."`
	Doctor doctorCmd `cmd:"" help:"Check a deployment from end to end, and say how to fix what is wrong."`
	Ticket ticketCmd `cmd:"" help:"Sign a ticket, for tests and other back ends."`

	Settings configCmd  `cmd:"" name:"config" help:"Check a configuration, or print an example of one."`
	Version  versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "heartbeatd:", terminal.Lines(err.Error())) // it may have text of another server
		os.Exit(1)
	}
}

// run runs the command that args name, until it is done or ctx ends.
func run(ctx context.Context, args []string) error {
	c, command, err := parse(args)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(c.level())
	c.Serve.reloads = &reloads{args: args, first: command, last: command, level: level}
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(c.logger(os.Stderr, level))
	err = command.Run()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// parse reads the flags from args, the environment and the configuration file.
func parse(args []string) (*cli, *kong.Context, error) {
	c := new(cli)
	parser, err := kong.New(c,
		kong.Name("heartbeatd"),
		kong.Description("Answers WordPress's Heartbeat API over WebSocket, server-sent events, long-poll and POST, with presence on NATS."),
		kong.DefaultEnvars("HEARTBEATD"),
		kong.Configuration(loadConfig),
		kong.UsageOnError(),
	)
	if err != nil {
		return nil, nil, err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return nil, nil, withSuggestion(parser, args, err)
	}
	return c, command, nil
}

// withSuggestion returns the error with which args are refused, with the command that they may
// mean. kong takes an unknown command for an argument of serve, and suggests nothing, unless there
// is no default command.
func withSuggestion(parser *kong.Kong, args []string, err error) error {
	if strings.Contains(err.Error(), "did you mean") {
		return err
	}
	parser.Model.DefaultCmd = nil
	if _, better := parser.Parse(args); better != nil && strings.Contains(better.Error(), "did you mean") {
		return better
	}
	return err
}

type versionCmd struct{}

// Run prints the version.
func (*versionCmd) Run() error {
	_, err := fmt.Println(version.Get())
	return err
}
