//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// sizes are the sizes of the workloads.
type sizes struct {
	beaters int // connections that beat concurrently
	beats   int // of a figure
	pages   int // idle pages
	few     int // idle pages, for comparison
	cold    int // pages that beat once after a quiet time, if as many files may be open
	hearers int // pages that hear a room with pushes
	joiners int // pages that join within a second
	seen    int // joins that are measured one by one

	crowdSize  int           // pages on a dashboard where others come and go
	crowdWatch time.Duration // how long they are measured

	quiet  time.Duration // before the beats of quiet pages
	settle time.Duration // after opening pages, before they count as idle
	idle   time.Duration // how long idle pages are measured
	push   time.Duration // how long pushes of a figure last

	dashboardWarm, dashboardWatch time.Duration // how long people on the dashboard beat before the measurement, and during it

	scaleSizes
}

var (
	full = sizes{
		beaters: 64, beats: 50_000, pages: 10_000, few: 100, cold: 18_000, hearers: 1_000, joiners: 1_000, seen: 300,
		// In 100 s every page has five renewals and three pings.
		quiet: quietTime, settle: 10 * time.Second, idle: 100 * time.Second, push: 5 * time.Second,
		dashboardWarm: 5 * time.Second, dashboardWatch: 15 * time.Second,
		crowdSize: 1_478, crowdWatch: 30 * time.Second,
		scaleSizes: scaleSizes{[]int{1_000, 5_000, 18_000}, []int{1_000, 10_000, 100_000}},
	}
	// quick is large enough to show large changes.
	quick = sizes{
		beaters: 64, beats: 3_000, pages: 2_000, few: 100, cold: 9_000, hearers: 1_000, joiners: 1_000, seen: 50,
		quiet: quietTime, settle: 2 * time.Second, idle: 21 * time.Second, push: 2 * time.Second,
		dashboardWarm: time.Second, dashboardWatch: 10 * time.Second,
		crowdSize: 1_478, crowdWatch: 15 * time.Second,
		scaleSizes: scaleSizes{[]int{200, 1_000}, []int{500, 5_000}},
	}
)

// figure is one measured value, and its floor from the same run.
type figure struct {
	row         string // in the table
	ours, floor float64
}

// workload measures the figures of some rows.
type workload struct {
	name string
	run  func(*bench) ([]figure, error)
	peer func(*bench, peer) ([]figure, error) // measures another server; nil: not compared
}

var workloads = []workload{
	{"beat-cold", (*bench).beatCold, nil},
	{"beat-websocket", (*bench).beatWebSocket, (*bench).peerBeat},
	{"beat-dashboard", (*bench).beatDashboard, nil},
	{"beat-post", (*bench).beatPost, nil},
	{"beat-longpoll", (*bench).beatLongPoll, nil},
	{"dashboard", (*bench).dashboard, nil},
	{"crowd", (*bench).crowd, nil},
	{"idle", (*bench).idlePages, (*bench).peerIdle},
	{"idle-longpoll", (*bench).idlePollers, nil},
	{"idle-events", (*bench).idleStreams, nil},
	{"push", (*bench).push, (*bench).peerPush},
	{"push-longpoll", (*bench).pushLongPoll, nil},
	{"join-storm", (*bench).joinStorm, nil},
	{"join-seen", (*bench).joinSeen, nil},
}

// reports are measurements with a report of their own. They run only if they are named.
var reports = map[string]func(*bench, io.Writer) error{"scale": (*bench).scale, "footprint": (*bench).footprint}

// bench has the settings of all workloads.
type bench struct {
	sizes
	binary   string // the path of heartbeatd
	core     int    // the core of the server; below 0: any
	profile  string // the folder of profiles; empty: none
	plots    string // the folder of the plots of scale; empty: none
	peersDir string // the folder of the peers; empty: none
}

// build builds the heartbeatd that is measured, in dir. For profiles it has one more file.
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
func (b *bench) heartbeatd(flags ...string) (*process, error) {
	cmd := exec.Command(b.binary, append(flags, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--site-id", siteID, "--site-secret", siteSecret, "--api-key", apiKey)...)
	// It is killed at the end, and leaves the folder of its NATS behind.
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(b.binary), profileEnv+"="+b.profile)
	p, err := start(cmd, b.core)
	if err == nil && len(p.addrs) < 2 {
		_ = p.stop()
		return nil, fmt.Errorf("heartbeatd does not say where it listens: %s", p.logTail())
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

// with runs fn with a server, and then stops the server and closes fn's connections.
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
		err = fmt.Errorf("%w\n%s", err, p.logTail())
	}
	if stopped := p.stop(); err == nil {
		err = stopped
	}
	return err
}

const (
	// opening is the number of connections that are opened concurrently. It is the usual
	// length of a listener's queue.
	opening = 128
	// openWait is how long opening all of them may take.
	openWait = 2 * time.Minute
)

// openAll opens n connections. open calls done when the ith is open.
func (l *loop) openAll(n int, open func(i int, done func())) error {
	next, opened := 0, 0
	var one func()
	one = func() {
		if next == n {
			return
		}
		i := next
		next++
		open(i, func() {
			opened++
			one()
		})
	}
	for range min(opening, n) {
		one()
	}
	if err := l.run(openWait, func() bool { return opened == n }); err != nil {
		return fmt.Errorf("opened %d of %d connections: %w", opened, n, err)
	}
	return nil
}
