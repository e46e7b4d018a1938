package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/tailscale/hujson"
)

// config is a configuration file: a JSON object of flags by name, for example
// {"listen": "127.0.0.1:8080", "site-secret": "…"}. It may have comments.
type config map[string]any

func loadConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c := make(config)
	if text, err = hujson.Standardize(text); err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration file must be a JSON object of flags: %w", err)
	}
	return c, nil
}

// Validate refuses names that are not flags, so that a misspelt secret is not
// ignored.
func (c config) Validate(app *kong.Application) error {
	known := make(map[string]bool)
	for _, flag := range app.Flags {
		known[flag.Name] = flag.Name != "help" && flag.Name != "config"
	}
	for _, command := range app.Children {
		for _, flag := range command.Flags {
			known[flag.Name] = true
		}
	}
	for name := range c {
		if !known[name] {
			return fmt.Errorf("unknown flag %q in the configuration file%s", name, suggestion(name, known))
		}
	}
	return nil
}

// suggestion names the flag that a name with underscores stands for.
func suggestion(name string, known map[string]bool) string {
	if dashed := strings.ReplaceAll(name, "_", "-"); known[dashed] {
		return fmt.Sprintf(": did you mean %q?", dashed)
	}
	return ""
}

// Resolve returns the value of a flag.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return c[flag.Name], nil
}
