//go:build linux

package machine

import (
	"bufio"
	"bytes"
	"fmt"
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
	// StopWait is how long a process may take to end after SIGTERM.
	StopWait = 30 * time.Second
	// keptLog is the number of bytes of a log that are kept for an error message.
	keptLog = 4 << 10
)

// fatal matches log lines that are always a fault.
var fatal = regexp.MustCompile(`panic|DATA RACE|fatal error`)

// Process is a program that can be started again after it has ended. Its methods are not safe
// for concurrent use, except those for the log.
type Process struct {
	Name    string
	Files   []*os.File // that it inherits, with the numbers 3 and up
	host    *Host
	program []string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when its output has ended
	spent   time.Duration // CPU of those that have ended

	mu     sync.Mutex // guards the following fields
	log    []byte     // the end of what it wrote
	lines  int        // that it wrote
	faults []string
	file   *os.File // its log, or nil
}

// NewProcess returns a process that runs on a host, or in this program's namespace if host is nil.
// If logs is not empty, the process logs to a file in that folder.
func NewProcess(name string, host *Host, logs string, program ...string) (*Process, error) {
	p := &Process{Name: name, host: host, program: program}
	if logs == "" {
		return p, nil
	}
	file, err := os.Create(filepath.Join(logs, name+".log"))
	p.file = file
	return p, err
}

// Replace sets the program that Start starts, with the same arguments, and returns the one before.
func (p *Process) Replace(program string) (old string) {
	old, p.program[0] = p.program[0], program
	return old
}

// Start starts it, with more variables in its environment.
func (p *Process) Start(env ...string) error {
	args := p.program
	if p.host != nil {
		args = p.host.command(args...)
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.ExtraFiles = p.Files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	err = p.cmd.Start()
	_ = in.Close()
	if err != nil {
		_ = out.Close()
		p.cmd = nil
		return err
	}
	ended := make(chan struct{})
	p.ended = ended
	go func() {
		defer close(ended)
		defer func() { _ = out.Close() }()
		lines := bufio.NewReaderSize(out, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			p.keep(line)
			if err != nil {
				return
			}
		}
	}()
	return nil
}

func (p *Process) keep(line []byte) {
	if len(line) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines++
	if fatal.Match(line) {
		p.faults = append(p.faults, p.Name+" logs "+strings.TrimSpace(string(line)))
	}
	p.log = append(p.log, line...)
	p.log = p.log[max(0, len(p.log)-keptLog):]
	if p.file != nil {
		_, _ = p.file.Write(line)
	}
}

// Lines returns how many lines it has logged.
func (p *Process) Lines() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines
}

// Log returns the end of its log.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.log)
}

// Faults returns the log lines about panics and data races.
func (p *Process) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends it with SIGKILL, unless it has ended.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	p.wait()
	<-p.ended
}

func (p *Process) wait() {
	_ = p.cmd.Wait() // it may have been killed, which is an error
	if p.cmd.ProcessState != nil {
		p.spent += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	}
	p.cmd = nil
}

// Terminate ends it with SIGTERM, and returns an error if it does not end in time.
func (p *Process) Terminate() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		p.wait()
		return nil
	case <-time.After(StopWait):
		p.Kill()
		return fmt.Errorf("%s does not end within %v of SIGTERM: %s", p.Name, StopWait, p.Log())
	}
}

// HasEnded reports whether it has ended.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Usage is what a process uses.
type Usage struct {
	CPU    time.Duration // so far
	Files  int           // open file descriptors
	Memory int           // resident bytes
}

// Usage reads it from /proc.
func (p *Process) Usage() (u Usage, err error) {
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var user, system, pages int
	if _, err := fmt.Sscan(fields[11]+" "+fields[12]+" "+fields[21], &user, &system, &pages); err != nil {
		return u, err
	}
	const ticksPerSecond = 100
	files, err := os.ReadDir(dir + "fd")
	return Usage{p.spent + time.Duration(user+system)*time.Second/ticksPerSecond, len(files), pages * os.Getpagesize()}, err
}
