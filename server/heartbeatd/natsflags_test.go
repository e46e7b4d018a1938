package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestNATSFlags checks the errors of flags for an external NATS.
func TestNATSFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--nats-url nats://127.0.0.1:1 --nats-cert c":                "--nats-cert and --nats-key",
		"--nats-url nats://127.0.0.1:1 --nats-key k":                 "--nats-cert and --nats-key",
		"--nats-url nats://127.0.0.1:1 --nats-creds c --nats-nkey n": "set one of them",
		"--nats-prefix staging":                                      "set --nats-url",
		"--nats-tag ssd":                                             "set --nats-url",
		"--nats-url nats://127.0.0.1:1 --nats-creds /no/such":        "--nats-creds: open /no/such",
		"--nats-url nats://127.0.0.1:1 --nats-prefix a.b":            `--nats-prefix "a.b"`,
		"--nats-url nats://127.0.0.1:1 --nats-replicas 9":            "from 1 to 5",
		"--nats-url nats://127.0.0.1:1 --nats-max-bytes 9":           "at least 393216",
	} {
		var c serveCmd
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		c.Listen, c.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		if err := c.Run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", args, err, want)
		}
	}
}
