//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// serverCore and ownCore keep the server and its load off each other.
	serverCore, ownCore = 0, 1
	// startWait is how long a server may take to listen, stopWait to end.
	startWait, stopWait = 20 * time.Second, 20 * time.Second
	// otherFiles is what is open beside a workload's connections.
	otherFiles = 500
	// keptLog is how many bytes of a server's log are kept for when it fails.
	keptLog = 8 << 10
)

// pinSelf keeps every thread of this process, and those to come, to one core.
func pinSelf(core int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(core)
	for _, t := range tasks {
		id, _ := strconv.Atoi(t.Name())
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return fmt.Errorf("pinning to core %d: %w", core, err)
		}
	}
	runtime.GOMAXPROCS(1)
	return nil
}

// raiseFiles lets this process, and the servers it starts, open a file for
// each of so many connections.
func raiseFiles(connections int) error {
	needed := uint64(connections + otherFiles)
	var is unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &is); err != nil {
		return err
	}
	is.Cur, is.Max = max(is.Cur, needed), max(is.Max, needed)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &is); err != nil {
		return fmt.Errorf("ulimit -n %d is needed: %w", needed, err)
	}
	return nil
}

// process is a server under test.
type process struct {
	cmd   *exec.Cmd
	addrs []netip.AddrPort // where it listens, in the order it said so
	ended chan struct{}    // closed when its output has ended

	mu  sync.Mutex // guards the following field
	log []byte     // the end of what it wrote
}

// listening finds the addresses in the line that says a server is ready.
var listening = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// start runs a server, pinned to a core unless that is below 0, and waits
// until it has said where it listens, in a line with the word ready.
func start(cmd *exec.Cmd, core int) (*process, error) {
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive an interrupted run
	if err := startOn(cmd, core); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	ready := make(chan []string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.keep(lines.Bytes())
			if bytes.Contains(lines.Bytes(), []byte("ready")) {
				select {
				case ready <- listening.FindAllString(lines.Text(), -1):
				default:
				}
			}
		}
	}()
	select {
	case found := <-ready:
		for _, a := range found {
			addr, err := netip.ParseAddrPort(a)
			if err != nil {
				return nil, errors.Join(err, p.stop())
			}
			p.addrs = append(p.addrs, addr)
		}
		return p, nil
	case <-p.ended:
	case <-time.After(startWait):
	}
	_ = p.stop()
	return nil, fmt.Errorf("%s does not listen: %s", cmd.Path, p.said())
}

// startOn starts a process from a thread that is pinned: a child begins where
// its parent was, so its runtime counts the one core that it has.
func startOn(cmd *exec.Cmd, core int) error {
	if core < 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var mine, its unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		return err
	}
	its.Set(core)
	if err := unix.SchedSetaffinity(0, &its); err != nil {
		return fmt.Errorf("pinning to core %d: %w", core, err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &mine) }()
	return cmd.Start()
}

func (p *process) keep(line []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(append(p.log, line...), '\n')
	p.log = p.log[max(0, len(p.log)-keptLog):]
}

// said is the end of the server's log.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.log)
}

// stop ends the server at once: nobody is there to be told.
func (p *process) stop() error {
	_ = p.cmd.Process.Kill()
	select {
	case <-p.ended:
	case <-time.After(stopWait):
		return fmt.Errorf("%s does not end", p.cmd.Path)
	}
	_ = p.cmd.Wait() // it was killed, which is an error
	return nil
}

// cpu is what the server has used of the processor so far, by the clock that
// Linux keeps for it: /proc/PID/stat counts in hundredths of a second.
func (p *process) cpu() (time.Duration, error) {
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("the server's clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory is the server's share of the machine's, in bytes.
func (p *process) memory() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		var kib int
		if n, _ := fmt.Sscanf(string(line), "Pss: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}
