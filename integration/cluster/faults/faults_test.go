//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
)

// TestFaults is a short version of the program: two minutes of faults, with few pages.
func TestFaults(t *testing.T) {
	if os.Getenv("CI") == "" && os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		t.Skip("an integration test: make test runs it, or HEARTBEATD_INTEGRATION=1")
	}
	program, err := machine.Build(t.TempDir(), "github.com/heartbeatd/heartbeatd/integration/cluster/faults")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-pages", "40", "-ttl", "5s", "-minutes", "0",
		"-kinds", "websocket-only,post", "-only", "kill-node,stop-4,kill-quorum,cut-node-pages")
	if cmd.Dir, err = filepath.Abs("../../.."); err != nil { // the observers are there
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
