package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/secretfile"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/terminal"
)

type watchCmd struct {
	Room    string   `arg:"" optional:"" help:"Only this room, for example admin/online, or all rooms with a prefix: 'postType/post:*'."`
	Site    string   `help:"Only this site. Required with credentials for one site." placeholder:"ID"`
	User    int64    `help:"Only this user." placeholder:"ID"`
	Kind    []string `enum:"joined,updated,seen,left" default:"joined,updated,left" help:"Only these kinds: joined, updated, left, and seen, which is the beat of a user who is already there."`
	NatsURL string   `default:"nats://127.0.0.1:4222" help:"URL of the NATS server, with user and password if it requires them: nats://observer:PASSWORD@127.0.0.1:4222."`

	NatsURLFile secretfile.Content `help:"File with that URL, in place of --nats-url." placeholder:"FILE"`

	NatsFlags
	JSON bool `help:"Print one JSON object a line."`

	out io.Writer // os.Stdout, unless a test sets another
}

// inboxPrefix is the inbox of observers: they may not read the replies to others.
const inboxPrefix = "_INBOX_observer"

// Run prints changes until ctx ends.
func (c *watchCmd) Run(ctx context.Context, log *slog.Logger) error {
	c.NatsURL = cmp.Or(string(c.NatsURLFile), c.NatsURL)
	if c.User < 0 {
		return errors.New("--user must be a user ID above 0")
	}
	if i := strings.IndexByte(c.Room, '*'); i >= 0 && i != len(c.Room)-1 {
		return fmt.Errorf("%s: a * is allowed at the end of a room only", c.Room)
	}
	access, err := c.access().Options()
	if err != nil {
		return err
	}
	nc, err := nats.Connect(c.NatsURL, append(access, nats.Name("heartbeatd watch"), nats.MaxReconnects(-1), nats.CustomInboxPrefix(inboxPrefix),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrPermissionViolation) { // Observe tries more than it needs, and reports what is missing
				log.Warn("NATS", "error", err)
			}
		}))...)
	if errors.Is(err, nats.ErrAuthorization) {
		return errors.New("the NATS server requires credentials: use --nats-url nats://USER:PASSWORD@HOST:PORT with those of heartbeatd's --nats-observer, --nats-creds or --nats-nkey")
	}
	if errors.As(err, new(*url.Error)) {
		return fmt.Errorf("--nats-url: %w", problem.ErrURL)
	}
	if err != nil {
		return fmt.Errorf("connecting to NATS at %s: %w (check that heartbeatd runs with --nats-listen)", problem.Address(c.NatsURL), err)
	}
	defer nc.Close()
	out := cmp.Or[io.Writer](c.out, os.Stdout)
	err = bucket.Observe(ctx, nc, bucket.Observer{Site: c.Site, Prefix: bucket.Prefix(c.NatsPrefix), Domain: c.NatsDomain, Logger: log, OnChange: func(change presence.Change) {
		if c.matches(change) {
			c.print(out, change)
		}
	}})
	if errors.Is(err, nats.ErrPermissionViolation) && c.Site == "" {
		return fmt.Errorf("%w: credentials for one site require --site", err)
	}
	return err
}

func (c *watchCmd) matches(change presence.Change) bool {
	room, isPrefix := strings.CutSuffix(c.Room, "*")
	switch {
	case isPrefix && !strings.HasPrefix(change.Entry.Room, room):
	case !isPrefix && room != "" && room != change.Entry.Room:
	case c.User != 0 && c.User != change.Entry.UserID:
	default:
		return slices.Contains(c.Kind, change.Kind.String())
	}
	return false
}

func (c *watchCmd) print(w io.Writer, change presence.Change) {
	now := time.Now()
	if c.JSON {
		var line bytes.Buffer
		_ = json.NewEncoder(&line).Encode(struct {
			Time  string `json:"time"`
			Event string `json:"event"`
			Site  string `json:"site"`
			presence.Entry
		}{now.UTC().Format(time.RFC3339Nano), change.Kind.String(), change.Site, change.Entry})
		_, _ = w.Write(terminal.JSON(line.Bytes()))
		return
	}
	var data struct {
		Screen string `json:"screen"`
	}
	_ = json.Unmarshal(change.Entry.Data, &data) // entries of other services may have no screen
	state := map[presence.Activity]string{presence.Active: "  active", presence.Idle: "  idle"}[change.Entry.Idle]
	_, _ = fmt.Fprintf(w, "%s  %-7s  %s  %s (%s)  %s%s\n", now.Format(time.TimeOnly), change.Kind, terminal.Printable(change.Entry.Room),
		terminal.Printable(change.Entry.DisplayName), terminal.Printable(change.Entry.ClientID), terminal.Printable(data.Screen), state)
}
