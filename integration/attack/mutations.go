//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

const (
	// workers is the number of cases that run at once.
	workers = 24
	// inputsPerBeat is the number of mutated inputs for each good beat.
	inputsPerBeat = 100
	// maxHeap, maxGoroutines and maxOpenFiles are by how much heartbeatd may use more at the
	// end than at the start. Its buffers, and what NATS keeps, vary a little.
	maxHeap, maxGoroutines, maxOpenFiles = 6 << 20, 10, 5
	// cachedHeap is how much of the heap an input may keep, of cachedInputs at most: the cache
	// of 10,000 tickets, and revocations, which are kept for an hour.
	cachedHeap, cachedInputs = 320, 100_000
	// settleWait is how long it may take until nothing is left of an attack: pushes are kept
	// for two minutes.
	settleWait = 3 * time.Minute
)

// run is one attack with mutated inputs.
type run struct {
	seed   uint64
	first  uint64 // the first case
	inputs int
	tally  tally

	sent          atomic.Int64
	cases         uint64
	began, ended  time.Time
	before, after usage
	settled       time.Duration
}

// sites returns the configuration of the two sites as JSON.
func sites(upstream string) string {
	b, _ := json.Marshal([]map[string]any{
		{"id": blog, "secrets": []string{blogSecret}, "origins": []string{"https://" + goodHost}, "upstream": upstream},
		{"id": shop, "secrets": []string{shopSecret}, "origins": []string{"https://shop.test"}},
	})
	return string(b)
}

// do starts heartbeatd and attacks it. The error says what must not have happened.
func (r *run) do(binary string) (err error) {
	upstream, stop, err := startWordPress(&r.tally, answerShortly)
	if err != nil {
		return err
	}
	defer stop()
	n, err := startNode(binary, &r.tally, "--sites="+sites(upstream), "--api-key="+operatorKey, "--trusted-proxy=127.0.0.0/8")
	if err != nil {
		return err
	}
	err = r.attack(n)
	return errors.Join(err, n.stop(), r.tally.failed())
}

func (r *run) attack(n *node) (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	warm := run{seed: r.seed + 1, inputs: len(doors) * caseInputs} // each door once
	due := make(chan struct{})
	close(due)
	wait, err := runPages(ctx, &n.target, &r.tally, due) // each kind of page once
	if err != nil {
		return err
	}
	wait()
	warm.sendAll(n, nil)
	if err := warm.tally.failed(); err != nil {
		return err
	}
	if r.before, err = settle(n, func(u usage) bool { return u.sessions == 0 }); err != nil {
		return err
	}
	due = make(chan struct{}, 2*pagesOfEach)
	if wait, err = runPages(ctx, &n.target, &r.tally, due); err != nil {
		return err
	}
	r.began = time.Now()
	r.sendAll(n, due)
	close(due)
	wait()
	r.ended = time.Now()
	mayKeep := float64(maxHeap + cachedHeap*min(r.inputs, cachedInputs))
	r.after, err = settle(n, func(u usage) bool {
		return u.sessions == 0 && u.heap <= r.before.heap+mayKeep && u.goroutines <= r.before.goroutines+maxGoroutines && u.files <= r.before.files+maxOpenFiles
	})
	r.settled = time.Since(r.ended)
	return err
}

// settle waits until heartbeatd uses as little as it should.
func settle(n *node, little func(usage) bool) (u usage, err error) {
	for end := time.Now().Add(settleWait); time.Now().Before(end); time.Sleep(time.Second) {
		if u, err = n.usage(); err != nil || little(u) {
			return u, err
		}
	}
	return u, fmt.Errorf("heartbeatd still uses %.1f MB of heap, %v goroutines, %v files and %v sessions", u.heap/1e6, u.goroutines, u.files, u.sessions)
}

// sendAll sends the inputs, and a value to due for each hundred of them.
func (r *run) sendAll(n *node, due chan<- struct{}) {
	var next atomic.Uint64
	next.Store(r.first)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				index := next.Add(1) - 1
				count := r.sendCase(n, index)
				sum := int(r.sent.Add(int64(count)))
				for range sum/inputsPerBeat - (sum-count)/inputsPerBeat {
					if due != nil {
						due <- struct{}{}
					}
				}
				if sum >= r.inputs {
					return
				}
			}
		})
	}
	all.Wait()
	r.cases = next.Load() - r.first
}

// sendCase sends the inputs of one case to one door, and returns their number.
func (r *run) sendCase(n *node, index uint64) int {
	c := &client{source: newSource(r.seed, index), target: &n.target, tally: &r.tally}
	c.name = fmt.Sprintf("case %d of seed %d, %s", index, r.seed, doors[index%uint64(len(doors))].name)
	for c.inputs < caseInputs {
		doors[index%uint64(len(doors))].try(c)
	}
	c.drop()
	if c.session != "" {
		c.endSession()
	}
	return c.inputs
}

// report writes the figures.
func (r *run) report(to io.Writer) {
	t := &r.tally
	took := r.ended.Sub(r.began)
	median, p99, most := t.latencies()
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("mutated inputs", "%d in %d cases, seed %d, %.0f s, %.0f a second", r.sent.Load(), r.cases, r.seed, took.Seconds(), float64(r.sent.Load())/took.Seconds())
	line("answers", "%d with 2xx, %d with 3xx, %d with 4xx, %d with 5xx, %d with 501 or 505, %d none", t.answer[2].Load(), t.answer[3].Load(), t.answer[4].Load(), t.answer[5].Load(), t.unsup.Load(), t.answer[0].Load())
	line("WebSockets", "%d, %d frames from heartbeatd", t.answer[1].Load(), t.frames.Load())
	line("good beats", "%d: %v", len(t.beats), t.kinds)
	line("their answers", "median %v, 99 %% within %v, the last after %v", median.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), most.Round(10*time.Microsecond))
	line("heap", "%.1f MB before, %.1f MB after", r.before.heap/1e6, r.after.heap/1e6)
	line("goroutines", "%.0f before, %.0f after", r.before.goroutines, r.after.goroutines)
	line("open files", "%.0f before, %.0f after", r.before.files, r.after.files)
	line("after", "%.0f s, with %.0f sessions", r.settled.Seconds(), r.after.sessions)
	for _, name := range slices.Sorted(maps.Keys(r.after.limited)) {
		line("limit "+name, "%.0f times", r.after.limited[name]-r.before.limited[name])
	}
	line("faults", "%d", t.count)
	_ = w.Flush()
}
