//go:build linux

package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// profiler is a source file that is added to a heartbeatd for profiles. On one signal it
// starts a CPU profile, on another it writes it, and one of the heap.
//
//go:embed profiler.go.txt
var profiler []byte

// profileEnv has the folder of the profiler's files.
const profileEnv = "HEARTBEATD_LOAD_PROFILE"

// writeOverlay writes the profiler, and the overlay file with which `go build` adds it.
func writeOverlay(dir string) (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/heartbeatd/heartbeatd/server/heartbeatd").Output()
	if err != nil {
		return "", fmt.Errorf("finding heartbeatd: %w", err)
	}
	source, overlay := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(source, profiler, 0o600); err != nil {
		return "", err
	}
	at := filepath.Join(strings.TrimSpace(string(out)), "load_profiler.go")
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{at: source}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// profileWait is how long a profile may take to be written.
const profileWait = 10 * time.Second

// profiled runs fn with a CPU profile of the server, with -profile, and writes NAME.cpu,
// NAME.heap and NAME.memory.
func (b *bench) profiled(name string, p *process, fn func() error) error {
	if b.profile == "" {
		return fn()
	}
	if err := p.cmd.Process.Signal(unix.SIGUSR1); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		return err
	}
	from := filepath.Join(b.profile, fmt.Sprint(p.cmd.Process.Pid))
	for end := time.Now().Add(profileWait); ; time.Sleep(10 * time.Millisecond) {
		to := filepath.Join(b.profile, name)
		err := os.Rename(from+".heap", to+".heap")
		if err == nil {
			return errors.Join(os.Rename(from+".cpu", to+".cpu"), os.Rename(from+".memory", to+".memory"))
		}
		if time.Now().After(end) {
			return fmt.Errorf("no profile: %w", err)
		}
	}
}
