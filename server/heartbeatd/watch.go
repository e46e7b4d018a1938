package main

import (
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
	"unicode"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
)

type watchCmd struct {
	Room    string   `arg:"" optional:"" help:"Only this room, as admin/online, or those that begin so: 'postType/post:*'."`
	Site    string   `help:"Only this site. Credentials that may read one site need it." placeholder:"ID"`
	User    int64    `help:"Only this user." placeholder:"ID"`
	Kind    []string `enum:"joined,updated,seen,left" default:"joined,updated,left" help:"Only these: joined, updated, left, and seen, when somebody who is there beats again."`
	NatsURL string   `default:"nats://127.0.0.1:4222" help:"The NATS to read from, with its user and password if it asks for them: nats://observer:PASSWORD@127.0.0.1:4222."`
	JSON    bool     `help:"One JSON object a line."`

	out io.Writer // os.Stdout, where a test has not another
}

// inboxPrefix is of a NATS user who may not hear what others are answered.
const inboxPrefix = "_INBOX_observer"

// Run prints changes until ctx ends.
func (c *watchCmd) Run(ctx context.Context, log *slog.Logger) error {
	if c.User < 0 {
		return errors.New("--user is a user's id, above 0")
	}
	if i := strings.IndexByte(c.Room, '*'); i >= 0 && i != len(c.Room)-1 {
		return fmt.Errorf("%s: a * stands at the end of a room, for all that begin so", c.Room)
	}
	nc, err := nats.Connect(c.NatsURL, nats.Name("heartbeatd watch"), nats.MaxReconnects(-1), nats.CustomInboxPrefix(inboxPrefix),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrPermissionViolation) { // Observe asks for more than it needs, and says what it lacks
				log.Warn("NATS", "error", err)
			}
		}))
	if errors.Is(err, nats.ErrAuthorization) {
		return errors.New("this NATS asks for credentials: --nats-url nats://USER:PASSWORD@HOST:PORT, with those of heartbeatd's --nats-observer")
	}
	if err != nil {
		return fmt.Errorf("NATS at %s: %w: is heartbeatd running, with --nats-listen?", redacted(c.NatsURL), err)
	}
	defer nc.Close()
	out := cmp.Or[io.Writer](c.out, os.Stdout)
	err = broker.Observe(ctx, nc, broker.Observer{Site: c.Site, Logger: log, OnChange: func(change broker.Change) {
		if c.wants(change) {
			c.print(out, change)
		}
	}})
	if errors.Is(err, nats.ErrPermissionViolation) && c.Site == "" {
		return fmt.Errorf("%w: is it for one site? --site says which", err)
	}
	return err
}

// redacted is an address without the password that may be in it.
func redacted(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return "--nats-url"
}

func (c *watchCmd) wants(change broker.Change) bool {
	room, some := strings.CutSuffix(c.Room, "*")
	switch {
	case some && !strings.HasPrefix(change.Entry.Room, room):
	case !some && room != "" && room != change.Entry.Room:
	case c.User != 0 && c.User != change.Entry.UserID:
	default:
		return slices.Contains(c.Kind, change.Kind.String())
	}
	return false
}

func (c *watchCmd) print(w io.Writer, change broker.Change) {
	now := time.Now()
	if c.JSON {
		_ = json.NewEncoder(w).Encode(struct {
			Time  string `json:"time"`
			Event string `json:"event"`
			Site  string `json:"site"`
			broker.Entry
		}{now.UTC().Format(time.RFC3339Nano), change.Kind.String(), change.Site, change.Entry})
		return
	}
	var data struct {
		Screen string `json:"screen"`
	}
	_ = json.Unmarshal(change.Entry.Data, &data) // another service's entry may have no screen
	state := map[broker.Activity]string{broker.Active: "  active", broker.Idle: "  idle"}[change.Entry.Idle]
	_, _ = fmt.Fprintf(w, "%s  %-7s  %s  %s (%s)  %s%s\n", now.Format(time.TimeOnly), change.Kind, printable(change.Entry.Room),
		printable(change.Entry.DisplayName), printable(change.Entry.ClientID), printable(data.Screen), state)
}

// printable keeps what would steer a terminal from reaching it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
