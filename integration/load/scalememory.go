//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/internal/memtransport"
	"github.com/heartbeatd/heartbeatd/server"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// memoryKind is the kind of process, beside the floors, that has a node and its pages in memory.
// memorySizes has what it measures, as JSON. It writes the figures to its standard output, as JSON.
const (
	memoryKind  = "memory"
	memorySizes = "HEARTBEATD_LOAD_MEMORY"
)

// memoryTask is what such a process measures: pages that return, or else pages that stay.
type memoryTask struct {
	Pages        int
	Return       bool
	Settle, Idle time.Duration
}

// scaleMemory measures pages in the process of the node.
func (b *bench) scaleMemory(f scaleFigures) error {
	for _, returns := range []bool{false, true} {
		figures, err := b.runMemory(memoryTask{f.pages, returns, b.settle, b.idle})
		if err != nil {
			return err
		}
		for row, value := range figures {
			f.set(row, value)
		}
	}
	f.set("core-php", float64(f.pages)/beatEvery.Seconds())
	return nil
}

func (b *bench) runMemory(task memoryTask) (figures map[string]float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, _ := json.Marshal(task) // of this type it does not fail
	var out bytes.Buffer
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), floorEnv+"="+memoryKind, memorySizes+"="+string(text))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := startOn(cmd, b.core); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, err
	}
	return figures, json.Unmarshal(out.Bytes(), &figures)
}

// runMemoryTask is the process.
func runMemoryTask() error {
	w := &memoryWorld{figures: make(map[string]float64)}
	if err := json.Unmarshal([]byte(os.Getenv(memorySizes)), &w.memoryTask); err != nil {
		return err
	}
	if err := w.start(); err != nil {
		return err
	}
	steps := []func() error{w.open, w.idle, w.beat, w.push}
	if w.Return {
		steps = []func() error{w.rush, w.drain}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(w.figures)
}

// memoryWorld is a node with its pages.
type memoryWorld struct {
	memoryTask
	figures map[string]float64
	broker  *broker.Broker
	server  *server.Server
	network *memtransport.Network
	pages   []*memoryPage
	share   float64 // of a core, while the pages are idle

	ticks, byes atomic.Int64
	pushes      pushTimes
}

// pushTimes are when the first and the last of a number of pages got a push.
type pushTimes struct {
	mu          sync.Mutex // guards the following fields
	missing     int
	first, last time.Time
	all         chan struct{} // closed with the last
}

// memoryPage is a page, as its client.
type memoryPage struct {
	world *memoryWorld
	conn  *memtransport.Conn
	retry time.Duration // what the last bye said
}

// Frame implements memtransport.Client.
func (p *memoryPage) Frame(frame []byte) {
	switch kind(frame) {
	case "tick":
		p.world.ticks.Add(1)
	case "push":
		p.world.pushes.arrived()
	case "bye":
		p.retry = retryAfter(frame)
		p.world.byes.Add(1)
	}
}

// expect begins with a push to some pages.
func (t *pushTimes) expect(pages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missing, t.first, t.all = pages, time.Time{}, make(chan struct{})
}

// arrived counts a page that has the push.
func (t *pushTimes) arrived() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	if t.first.IsZero() {
		t.first = t.last
	}
	if t.missing--; t.missing == 0 {
		close(t.all)
	}
}

// start starts a node with NATS inside.
func (w *memoryWorld) start() (err error) {
	if w.broker, err = broker.Open(context.Background(), broker.Config{}); err != nil {
		return err
	}
	w.server, err = server.New(server.Config{
		Broker: w.broker, BasePath: "/heartbeat", Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Sites: []server.Site{{ID: siteID, Secrets: []string{siteSecret}}},
	})
	w.network = memtransport.New(w.server)
	return err
}

// stop ends the node, and waits for its pages.
func (w *memoryWorld) stop() error {
	w.server.Close()
	w.network.Close()
	return w.broker.Close()
}

// say shows what is being done.
func (w *memoryWorld) say(what string) {
	fmt.Fprintf(os.Stderr, "in memory, %d pages: %s\n", w.Pages, what)
}

// usedCPU returns the CPU time of this process so far.
func usedCPU() time.Duration {
	var use unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &use) // of this process it does not fail
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// longestPause returns the longest pause of this process's garbage collector.
func longestPause() time.Duration {
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 2)}
	debug.ReadGCStats(&stats)
	return stats.PauseQuantiles[1]
}

// publish pushes to everyone.
func (w *memoryWorld) publish() error {
	data, err := json.Marshal(message.Message{Kind: message.Push, To: message.Target{All: true}, Data: []byte(pushed)})
	if err != nil {
		return err
	}
	_, err = w.broker.Publish(context.Background(), topic.Pushes, siteID, data)
	return err
}
