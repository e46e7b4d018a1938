//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// sizes say how large the workloads are.
type sizes struct {
	beaters int // connections that beat at once
	beats   int // for a figure
	pages   int // idle ones
	few     int // idle ones, for comparison
	hearers int // of a room that is pushed to
	joiners int // within a second
	seen    int // joins that are watched one by one

	settle time.Duration // after opening pages, before they count as idle
	idle   time.Duration // how long idle pages are watched
	push   time.Duration // how long is pushed for a figure

	dashboardWarm, dashboardWatch time.Duration // how long people on it beat before they are watched, and while
}

var (
	full = sizes{
		beaters: 64, beats: 50_000, pages: 10_000, few: 100, hearers: 1_000, joiners: 1_000, seen: 300,
		// 100 s have five renewals and three pings of every page.
		settle: 10 * time.Second, idle: 100 * time.Second, push: 5 * time.Second,
		dashboardWarm: 5 * time.Second, dashboardWatch: 15 * time.Second,
	}
	// quick are large enough to see whether something has changed much.
	quick = sizes{
		beaters: 64, beats: 3_000, pages: 2_000, few: 100, hearers: 1_000, joiners: 1_000, seen: 50,
		settle: 2 * time.Second, idle: 21 * time.Second, push: 2 * time.Second,
		dashboardWarm: time.Second, dashboardWatch: 10 * time.Second,
	}
)

// figure is one thing that was measured, and its floor from the same run.
type figure struct {
	row         string // in the table
	ours, floor float64
}

// workload is what is run at once; it yields the figures of some rows.
type workload struct {
	name string
	run  func(*bench) ([]figure, error)
	peer func(*bench, peer) ([]figure, error) // the same of another server; nil: not compared
}

var workloads = []workload{
	{"beat-websocket", (*bench).beatWebSocket, (*bench).peerBeat},
	{"beat-dashboard", (*bench).beatDashboard, nil},
	{"beat-post", (*bench).beatPost, nil},
	{"beat-longpoll", (*bench).beatLongPoll, nil},
	{"dashboard", (*bench).dashboard, nil},
	{"idle", (*bench).idlePages, (*bench).peerIdle},
	{"idle-longpoll", (*bench).idlePollers, nil},
	{"push", (*bench).push, (*bench).peerPush},
	{"push-longpoll", (*bench).pushLongPoll, nil},
	{"join-storm", (*bench).joinStorm, nil},
	{"join-seen", (*bench).joinSeen, nil},
}

// bench is what every workload is run with.
type bench struct {
	sizes
	binary   string // heartbeatd
	core     int    // the server's; below 0: any
	profile  string // where profiles go, if they are wanted
	peersDir string // where the peers are, if they are wanted
}

// build makes the heartbeatd that is measured, in dir. For profiles it has one
// file more, and is the same program otherwise.
func (b *bench) build(dir string) error {
	b.binary = filepath.Join(dir, "heartbeatd")
	args := []string{"build", "-o", b.binary}
	if b.profile != "" {
		overlay, err := writeOverlay(dir)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "github.com/heartbeatd/heartbeatd/server/heartbeatd")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building heartbeatd: %w", err)
	}
	return nil
}

// heartbeatd starts the server under test. Its addresses are the public and the
// admin listener's.
func (b *bench) heartbeatd() (*process, error) {
	cmd := exec.Command(b.binary, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--site-id", siteID, "--site-secret", siteSecret, "--api-key", apiKey)
	// It is killed in the end, and leaves the folder of its NATS behind.
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(b.binary), profileEnv+"="+b.profile)
	p, err := start(cmd, b.core)
	if err == nil && len(p.addrs) < 2 {
		_ = p.stop()
		return nil, fmt.Errorf("heartbeatd does not say where it listens: %s", p.said())
	}
	return p, err
}

// floor starts one of the floors.
func (b *bench) floor(kind string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), floorEnv+"="+kind)
	return start(cmd, b.core)
}

// with runs fn against a server, and ends both the server and what fn opened.
func with(p *process, err error, fn func(*process, *loop) error) error {
	if err != nil {
		return err
	}
	l, err := newLoop()
	if err != nil {
		_ = p.stop()
		return err
	}
	err = fn(p, l)
	l.close()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.said())
	}
	if stopped := p.stop(); err == nil {
		err = stopped
	}
	return err
}

const (
	// opening is how many connections are on their way at once: what a
	// listener's queue bears.
	opening = 128
	// openWait is how long all of them may take.
	openWait = 2 * time.Minute
)

// openAll opens n connections; open calls done when the ith is there.
func (l *loop) openAll(n int, open func(i int, done func())) error {
	next, there := 0, 0
	var one func()
	one = func() {
		if next == n {
			return
		}
		i := next
		next++
		open(i, func() {
			there++
			one()
		})
	}
	for range min(opening, n) {
		one()
	}
	if err := l.run(openWait, func() bool { return there == n }); err != nil {
		return fmt.Errorf("opening %d of %d connections: %w", there, n, err)
	}
	return nil
}
