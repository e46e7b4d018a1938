package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/terminal"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// targetFlags say which pages receive something.
type targetFlags struct {
	Room string `help:"Pages that receive this room, for example postType/post:42." placeholder:"ROOM"`
	User int64  `help:"Pages of this user." placeholder:"ID"`
	Can  string `help:"Pages of users with this capability: edit_posts, manage_options." placeholder:"CAPABILITY"`
	All  bool   `help:"All pages of the site."`
}

// to returns the target, if it is valid.
func (f *targetFlags) to() (message.Target, error) {
	t := message.Target(*f)
	return t, t.Check()
}

type pushCmd struct {
	apiclient.Client `embed:""`
	targetFlags      `embed:""`
	Data             string `arg:"" help:"Data to push: JSON, or - for standard input."`
}

// Run pushes, and prints the cursor of the push.
func (c *pushCmd) Run(ctx context.Context) error {
	cursor, err := c.push(ctx, os.Stdin)
	if err != nil {
		return err
	}
	fmt.Println(terminal.Printable(cursor))
	return nil
}

func (c *pushCmd) push(ctx context.Context, stdin io.Reader) (string, error) {
	to, err := c.to()
	if err != nil {
		return "", err
	}
	data := []byte(c.Data)
	if c.Data == "-" {
		if data, err = io.ReadAll(io.LimitReader(stdin, message.MaxData+1)); err != nil {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
	}
	if len(data) > message.MaxData {
		return "", fmt.Errorf("a push has at most %d bytes: send less, and let the page fetch the rest", message.MaxData)
	}
	var valid json.RawMessage
	if err := json.Unmarshal(data, &valid); err != nil {
		return "", fmt.Errorf(`the data must be JSON, and a string needs its quotes, for example '"sold"': %w`, err)
	}
	var answer struct {
		Cursor string `json:"cursor"`
	}
	err = c.Call(ctx, "POST", "/push", map[string]any{"to": to, "data": valid}, &answer, time.Now())
	return answer.Cursor, err
}

type nudgeCmd struct {
	apiclient.Client `embed:""`
	targetFlags      `embed:""`
	Spread           time.Duration `default:"2s" help:"Time over which the beats of the pages are spread."`
}

// Run nudges. It prints nothing: a nudge is not replayed, so it has no cursor.
func (c *nudgeCmd) Run(ctx context.Context) error {
	to, err := c.to()
	if err != nil {
		return err
	}
	if c.Spread < 0 || c.Spread > message.MaxSpread {
		return fmt.Errorf("--spread must be 0s to %s", message.MaxSpread)
	}
	return c.Call(ctx, "POST", "/nudge", map[string]any{"to": to, "spread_ms": c.Spread.Milliseconds()}, new(struct{}), time.Now())
}
