//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startWait, stopWait = 30 * time.Second, 20 * time.Second
	// keptLog is the number of bytes of the log that are kept for an error message.
	keptLog = 16 << 10
)

// buildNode builds heartbeatd in a folder, and returns its path.
func buildNode(dir string, args ...string) (string, error) {
	binary := filepath.Join(dir, "heartbeatd")
	cmd := exec.Command("go", append(append([]string{"build", "-o", binary}, args...), "github.com/heartbeatd/heartbeatd/server/heartbeatd")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building heartbeatd: %w", err)
	}
	return binary, nil
}

// node is a running heartbeatd.
type node struct {
	target
	cmd   *exec.Cmd
	tally *tally
	ended chan struct{} // closed when its output has ended

	mu  sync.Mutex // guards the following field
	log []byte     // the end of its log
}

var readyLine = regexp.MustCompile(`listen=(\S+) admin=(\S+)`)

// startNode starts heartbeatd on free ports. A panic or a data race is a fault.
func startNode(binary string, t *tally, args ...string) (*node, error) {
	cmd := exec.Command(binary, append([]string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n := &node{cmd: cmd, tally: t, ended: make(chan struct{})}
	ready := make(chan target, 1)
	go func() {
		defer close(n.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			n.keep(lines.Bytes())
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil && len(ready) == 0 {
				ready <- target{m[1], m[2]}
			}
		}
	}()
	select {
	case n.target = <-ready:
		return n, nil
	case <-n.ended:
	case <-time.After(startWait):
	}
	_ = n.stop()
	return nil, fmt.Errorf("heartbeatd does not listen: %s", n.logTail())
}

func (n *node) keep(line []byte) {
	text := string(line)
	if strings.Contains(text, "panic") || strings.Contains(text, "DATA RACE") || strings.Contains(text, "fatal error") {
		n.tally.fault("heartbeatd logs %s", text)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(append(n.log, line...), '\n')
	n.log = n.log[max(0, len(n.log)-keptLog):]
}

func (n *node) logTail() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return string(n.log)
}

// stop stops heartbeatd with SIGTERM, and waits for it.
func (n *node) stop() error {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(stopWait, func() { _ = n.cmd.Process.Kill() })
	defer late.Stop()
	<-n.ended
	if err := n.cmd.Wait(); err != nil {
		return fmt.Errorf("heartbeatd ended with %w: %s", err, n.logTail())
	}
	return nil
}

// usage is what heartbeatd uses.
type usage struct {
	heap       float64 // bytes, soon after a garbage collection
	goroutines float64
	files      float64 // open file descriptors
	sessions   float64
	limited    map[string]float64 // how often each limit was reached
}

var metricLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{limit="(\w+)"\})? ([0-9.e+]+)$`)

// scrape reads the metrics.
func (n *node) scrape(from *http.Client) (u usage, collections float64, err error) {
	r, err := from.Get("http://" + n.admin + "/metrics")
	if err != nil {
		return u, 0, err
	}
	defer func() { _ = r.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		return u, 0, err
	}
	u.limited = make(map[string]float64)
	for _, m := range metricLine.FindAllStringSubmatch(b.String(), -1) {
		var value float64
		_, _ = fmt.Sscan(m[3], &value)
		switch m[1] {
		case "go_memstats_heap_alloc_bytes":
			u.heap = value
		case "go_goroutines":
			u.goroutines = value
		case "process_open_fds":
			u.files = value
		case "heartbeatd_sessions":
			u.sessions = value
		case "go_gc_duration_seconds_count":
			collections = value
		case "heartbeatd_limited_total":
			u.limited[m[2]] = value
		}
	}
	return u, collections, nil
}

// usage returns what heartbeatd uses after the next garbage collection, which the memory for
// the metrics brings about.
func (n *node) usage() (usage, error) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	_, before, err := n.scrape(client)
	for range 20_000 {
		u, now, failed := n.scrape(client)
		if err != nil || failed != nil {
			return usage{}, errors.Join(err, failed)
		}
		if now > before {
			return u, nil
		}
	}
	return usage{}, errors.New("heartbeatd does not collect garbage")
}
