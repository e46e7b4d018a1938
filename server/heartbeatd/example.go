package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/server"
)

// configCmd has the commands about configurations.
type configCmd struct {
	Check   checkCmd   `cmd:"" help:"Check the configuration file of --config, with the flags and the environment that heartbeatd serve would have."`
	Example exampleCmd `cmd:"" help:"Print a configuration file in which every flag of heartbeatd serve is explained."`
}

// checkCmd has the flags of heartbeatd serve.
type checkCmd struct {
	serveCmd `embed:""`
}

// Run prints what the configuration is for, or fails.
func (c *checkCmd) Run(log *slog.Logger) error {
	config, err := c.config(log)
	if err != nil {
		return err
	}
	if _, err := c.observers(); err != nil {
		return err
	}
	if err := c.checkNATS(); err != nil {
		return err
	}
	_, err = fmt.Println("the configuration is valid for " + describe(config.Sites))
	return err
}

func describe(sites []server.Site) string {
	if len(sites) == 0 {
		return "the demo site: no site is configured"
	}
	ids := make([]string, len(sites))
	for i, s := range sites {
		ids[i] = s.ID
	}
	return fmt.Sprintf("%d site(s): %s", len(sites), strings.Join(ids, ", "))
}

type exampleCmd struct{}

// Run prints the example.
func (*exampleCmd) Run(k *kong.Kong) error { return writeExample(os.Stdout, k.Model) }

// writeExample writes a configuration file with all flags of heartbeatd serve. Those without a
// default are in comments.
func writeExample(w io.Writer, app *kong.Application) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintln(out, "// Settings of heartbeatd serve, for --config. Every line has the default of its flag; a line in\n"+
		"// a comment has an example. A flag of the command line has precedence over this file, and this\n"+
		"// file over an environment variable. Check it with: heartbeatd config check --config FILE\n{")
	flags := app.Flags
	for _, command := range app.Children {
		if command.Name == "serve" {
			flags = append(flags, command.Flags...)
		}
	}
	for _, flag := range flags {
		if flag.Name == "help" || flag.Name == "config" {
			continue
		}
		for _, line := range wrap(flag.Help, 92) {
			_, _ = fmt.Fprintln(out, "\t//", line)
		}
		value, isDefault := exampleValue(flag)
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		comment := "// "
		if isDefault {
			comment = ""
		}
		_, _ = fmt.Fprintf(out, "\t%s%q: %s, // %s\n\n", comment, flag.Name, text, strings.Join(flag.Envs, " "))
	}
	_, _ = fmt.Fprintln(out, "}")
	return out.Flush()
}

// exampleValue returns the default of a flag, or a value that it may have.
func exampleValue(flag *kong.Flag) (value any, isDefault bool) {
	if flag.HasDefault && flag.Target.Kind() == reflect.Int {
		return json.RawMessage(flag.Default), true
	}
	if flag.HasDefault {
		return flag.Default, true
	}
	if _, ok := flag.Target.Interface().(siteList); ok {
		return json.RawMessage(`[{"id": "blog", "secrets": ["SECRET"], "origins": ["https://blog.example.org"]}]`), false
	}
	switch flag.Target.Kind() {
	case reflect.Bool:
		return true, false
	case reflect.Slice:
		return []string{flag.PlaceHolder}, false
	case reflect.Map:
		name, content, _ := strings.Cut(flag.PlaceHolder, "=")
		return map[string]string{name: content}, false
	}
	return flag.PlaceHolder, false
}

// wrap breaks a text into lines of at most most bytes, between words.
func wrap(text string, most int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
