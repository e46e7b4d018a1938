package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// config is a config file: a JSON object of flags by their names, as
// {"listen": "127.0.0.1:8080", "site-secret": "…"}.
type config map[string]any

func loadConfig(r io.Reader) (kong.Resolver, error) {
	c := make(config)
	if err := json.NewDecoder(r).Decode(&c); err != nil {
		return nil, fmt.Errorf("the config file must be a JSON object of flags: %w", err)
	}
	return c, nil
}

// Validate refuses what is no flag's name: a secret that is misspelt must not
// be overlooked.
func (c config) Validate(app *kong.Application) error {
	known := make(map[string]bool)
	for _, command := range app.Children {
		for _, flag := range command.Flags {
			known[flag.Name] = true
		}
	}
	for name := range c {
		if !known[name] {
			return fmt.Errorf("the config file has %q, which is no flag%s", name, similar(name, known))
		}
	}
	return nil
}

// similar names the flag that a name was meant to be, if it is that plain.
func similar(name string, known map[string]bool) string {
	if dashed := strings.ReplaceAll(name, "_", "-"); known[dashed] {
		return fmt.Sprintf(": it is called %q", dashed)
	}
	return ""
}

// Resolve gives a flag its value.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return c[flag.Name], nil
}
