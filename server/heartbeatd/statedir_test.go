package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/limit"
)

// TestStateDir checks where heartbeatd keeps revocations: in the folder of the service, nowhere for the demo site, and
// nowhere if the folder cannot be used. A folder of --state-dir that cannot be used is an error.
func TestStateDir(t *testing.T) {
	secret := strings.Repeat("s", minSecret)
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("STATE_DIRECTORY", dir)
	start(t, serveCmd{})
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the demo site has written %v %v", files, err)
	}
	start(t, serveCmd{SiteID: "default", SiteSecret: &secret})
	if _, err := os.Stat(filepath.Join(dir, "nats", "jetstream")); err != nil {
		t.Error(err)
	}
	start(t, serveCmd{SiteID: "default", SiteSecret: &secret}) // while the other one uses the folder
	t.Setenv("STATE_DIRECTORY", file)
	start(t, serveCmd{SiteID: "default", SiteSecret: &secret})
	for _, c := range []serveCmd{{StateDir: file}, {StateDir: dir, NatsURL: "nats://127.0.0.1:1"}} {
		c.LimitFlags = LimitFlags(limit.Defaults)
		c.SiteID, c.SiteSecret, c.Listen, c.AdminListen, c.BasePath = "default", &secret, "127.0.0.1:0", "127.0.0.1:0", "/heartbeat"
		if err := c.Run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "--state-dir") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
