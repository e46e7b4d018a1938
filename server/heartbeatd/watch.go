package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
)

type watchCmd struct {
	Room    string `arg:"" optional:"" help:"Only this room, as admin/online."`
	NatsURL string `default:"nats://127.0.0.1:4222" help:"The NATS to read from."`
	JSON    bool   `help:"One JSON object a line."`
}

// Run prints changes until ctx ends.
func (c *watchCmd) Run(ctx context.Context, log *slog.Logger) error {
	nc, err := nats.Connect(c.NatsURL, nats.Name("heartbeatd watch"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("NATS at %s: %w: is heartbeatd running, with --nats-listen?", c.NatsURL, err)
	}
	defer nc.Close()
	return broker.Observe(ctx, nc, broker.Observer{Logger: log, OnChange: func(change broker.Change) {
		if change.Kind == broker.Seen || c.Room != "" && c.Room != change.Entry.Room {
			return
		}
		c.print(os.Stdout, change)
	}})
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
	_, _ = fmt.Fprintf(w, "%s  %-7s  %s  %s (%s)  %s\n", now.Format(time.TimeOnly), change.Kind, printable(change.Entry.Room),
		printable(change.Entry.DisplayName), printable(change.Entry.ClientID), printable(data.Screen))
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
