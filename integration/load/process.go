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
	// serverCore and ownCore are the cores of the server and of the load.
	serverCore, ownCore = 0, 1
	// startWait is how long a server may take to listen, stopWait to end.
	startWait, stopWait = 20 * time.Second, 20 * time.Second
	// otherFiles is the number of open files besides a workload's connections: heartbeatd
	// keeps 1,024 for others than its clients.
	otherFiles = 1_100
	// keptLog is the number of bytes of a server's log that are kept for an error message.
	keptLog = 8 << 10
)

// pinSelf pins every thread of this process, and its later ones, to one core.
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

// raiseFiles raises the limit of open files, for this process and the servers that it starts.
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
	addrs []netip.AddrPort // the addresses on which it listens, in the order of its log
	ended chan struct{}    // closed when its output has ended

	mu    sync.Mutex // guards the following fields
	log   []byte     // the end of what it wrote
	pause time.Duration
}

// listening matches the addresses in a server's log line with "ready".
var listening = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// start starts a server, pinned to a core unless that is below 0, and waits for its log line
// with "ready", which has its addresses.
func start(cmd *exec.Cmd, core int) (*process, error) {
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // ends it after an interrupted run, too
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
	return nil, fmt.Errorf("%s does not listen: %s", cmd.Path, p.logTail())
}

// startOn starts a process from a pinned thread. The process inherits the core, so its
// runtime counts one core.
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
	p.pause = max(p.pause, pauseOf(line))
	p.log = append(append(p.log, line...), '\n')
	p.log = p.log[max(0, len(p.log)-keptLog):]
}

// trace matches the times of a garbage collection, with GODEBUG=gctrace=1: of its first pause, of the
// time between them, and of its second pause.
var trace = regexp.MustCompile(`^gc \d+ @.*: ([\d.]+)\+[\d.]+\+([\d.]+) ms clock`)

// pauseOf returns the longest pause that a line of the log names.
func pauseOf(line []byte) (longest time.Duration) {
	for _, ms := range trace.FindSubmatch(line) {
		if d, err := time.ParseDuration(string(ms) + "ms"); err == nil {
			longest = max(longest, d)
		}
	}
	return longest
}

// longestPause returns the longest pause of the garbage collector, if the server logs them.
func (p *process) longestPause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pause
}

// hasEnded reports whether the server has ended.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// usedCPU returns the CPU time of a server that has ended.
func (p *process) usedCPU() time.Duration {
	_ = p.cmd.Wait() // it was ended by a signal, which is an error
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// logTail returns the end of the server's log.
func (p *process) logTail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.log)
}

// stop kills the server.
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

// cpu returns the CPU time of the server so far, from its clock in Linux, which is more
// precise than /proc/PID/stat.
func (p *process) cpu() (time.Duration, error) {
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("the server's clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory returns the proportional set size of the server, in bytes.
func (p *process) memory() (int, error) { return memoryOf(p.cmd.Process.Pid) }

// memoryOf returns the proportional set size of a process, in bytes.
func memoryOf(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
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
