package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a heartbeatd in a process of its own.
type process struct {
	*exec.Cmd
	public, admin string
	lines         chan string // of its log, after ready
}

// startProcess starts a process on free ports, and waits until it is ready.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...), lines: make(chan string, 1000)}
	p.Env = append(os.Environ(), asProgram+"=1", "XDG_CACHE_HOME="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir())
	p.run(t)
	for line := range p.lines {
		if m := readyLine.FindStringSubmatch(line); m != nil {
			p.public, p.admin = m[1], m[2]
			return p
		}
	}
	t.Fatal("heartbeatd ended")
	return nil
}

// run starts the process, and reads its log until it ends.
func (p *process) run(t *testing.T) {
	t.Helper()
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGTERM)
		<-read
		_ = p.Wait()
	})
}

// logs returns the next line of the log that contains a text.
func (p *process) logs(t *testing.T, text string) string {
	t.Helper()
	var last string
	for line := range p.lines {
		if strings.Contains(line, text) {
			return line
		}
		last = line
	}
	t.Fatalf("heartbeatd ended, and did not log %q, but %s", text, last)
	return ""
}

// TestStopping checks that the log says why heartbeatd stops.
func TestStopping(t *testing.T) {
	for signal, want := range map[syscall.Signal]string{syscall.SIGTERM: "terminated", syscall.SIGINT: "interrupt"} {
		p := startProcess(t, "--drain-time", "10ms")
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if line := p.logs(t, "msg=stopping"); !strings.Contains(line, want) {
			t.Errorf("%v: %s", signal, line)
		}
	}
}
