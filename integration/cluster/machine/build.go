//go:build linux

package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The packages that are built.
const (
	Heartbeatd = "github.com/heartbeatd/heartbeatd/server/heartbeatd"
	NATSServer = "github.com/nats-io/nats-server/v2"
)

// Build builds a package in a folder, and returns the path of the program.
func Build(dir, pkg string, args ...string) (string, error) {
	program := filepath.Join(dir, filepath.Base(filepath.Dir(pkg))+"-"+filepath.Base(pkg))
	cmd := exec.Command("go", append(append([]string{"build", "-o", program}, args...), pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return program, nil
}

// clockVariable has the seconds by which the clock of a program of BuildWithClock is ahead.
const clockVariable = "HEARTBEATD_FAULTS_CLOCK"

// Clock returns the environment with which a program of BuildWithClock has a clock that is
// ahead by some seconds.
func Clock(seconds int) string { return fmt.Sprintf("%s=%d", clockVariable, seconds) }

// offset is a file of package time that reads the variable.
const offset = `package time

import "syscall"

var clockOffset = func() int64 {
	text, _ := syscall.Getenv("` + clockVariable + `")
	n, err := atoi(text)
	if err != nil {
		return 0
	}
	return int64(n)
}()
`

// BuildWithClock builds a package with a changed package time, whose clock can be ahead or behind.
// Programs in Go read the clock without the C library, so faketime(1) does not change it.
func BuildWithClock(dir, pkg string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const read = "\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), "func Now() Time {\n"+read) != 1 {
		return "", fmt.Errorf("%s does not read the clock as expected", original)
	}
	changed := strings.Replace(string(text), "func Now() Time {\n"+read, "func Now() Time {\n"+read+"\tsec += clockOffset\n", 1)
	dir, err = os.MkdirTemp(dir, "clock")
	if err != nil {
		return "", err
	}
	replaced := map[string]string{original: filepath.Join(dir, "time.go"), filepath.Join(filepath.Dir(original), "offset.go"): filepath.Join(dir, "offset.go")}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"time.go": changed, "offset.go": offset, "overlay.json": string(list)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return Build(dir, pkg, "-overlay", filepath.Join(dir, "overlay.json"))
}
