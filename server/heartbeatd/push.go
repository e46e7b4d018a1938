package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// maxPush is the most bytes that a push may carry.
const maxPush = 64 << 10

// maxSpread is the longest time over which pages are nudged.
const maxSpread = time.Minute

// targetFlags say whom something is for.
type targetFlags struct {
	Room string `help:"Whoever hears this room, as postType/post:42." placeholder:"ROOM"`
	User int64  `help:"The pages of this user." placeholder:"ID"`
	Can  string `help:"Whoever has this capability: edit_posts, manage_options." placeholder:"CAPABILITY"`
	All  bool   `help:"Everyone on the site."`
}

// to is the target as the API has it.
type to struct {
	Room string `json:"room,omitempty"`
	User int64  `json:"user,omitempty"`
	Can  string `json:"can,omitempty"`
	All  bool   `json:"all,omitempty"`
}

func (f *targetFlags) to() (to, error) {
	set := 0
	for _, is := range []bool{f.Room != "", f.User != 0, f.Can != "", f.All} {
		if is {
			set++
		}
	}
	if set != 1 {
		return to{}, errors.New("say whom it is for, with exactly one of --room, --user, --can and --all")
	}
	if f.User < 0 {
		return to{}, errors.New("--user is a user's id, above 0")
	}
	if f.Room != "" && !strings.Contains(f.Room, "/") {
		return to{}, errors.New("a room contains a /, as postType/post:42: for a user, a capability or everyone there are --user, --can and --all")
	}
	return to(*f), nil
}

type pushCmd struct {
	apiFlags    `embed:""`
	targetFlags `embed:""`
	Data        string `arg:"" help:"What is pushed: JSON, or - for what comes on standard input."`
}

// Run pushes, and prints the cursor: where pushes stand now.
func (c *pushCmd) Run(ctx context.Context) error {
	cursor, err := c.push(ctx, os.Stdin)
	if err != nil {
		return err
	}
	fmt.Println(cursor)
	return nil
}

func (c *pushCmd) push(ctx context.Context, stdin io.Reader) (string, error) {
	to, err := c.to()
	if err != nil {
		return "", err
	}
	data := []byte(c.Data)
	if c.Data == "-" {
		if data, err = io.ReadAll(io.LimitReader(stdin, maxPush+1)); err != nil {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
	}
	if len(data) > maxPush {
		return "", fmt.Errorf("a push carries at most %d bytes: send less, and let the page fetch the rest", maxPush)
	}
	var valid json.RawMessage
	if err := json.Unmarshal(data, &valid); err != nil {
		return "", fmt.Errorf(`the data must be JSON, a text in quotes of its own as '"sold"': %w`, err)
	}
	var answer struct {
		Cursor string `json:"cursor"`
	}
	_, err = c.call(ctx, "POST", "/push", map[string]any{"to": to, "data": valid}, &answer, time.Now())
	return answer.Cursor, err
}

type nudgeCmd struct {
	apiFlags    `embed:""`
	targetFlags `embed:""`
	Spread      time.Duration `default:"2s" help:"Over how long the pages beat, each at a moment of its own."`
}

// Run nudges. Nothing is printed: a nudge has no cursor, who misses it beats soon anyway.
func (c *nudgeCmd) Run(ctx context.Context) error {
	to, err := c.to()
	if err != nil {
		return err
	}
	if c.Spread < 0 || c.Spread > maxSpread {
		return fmt.Errorf("--spread is 0s to %s", maxSpread)
	}
	_, err = c.call(ctx, "POST", "/nudge", map[string]any{"to": to, "spread_ms": c.Spread.Milliseconds()}, new(struct{}), time.Now())
	return err
}
