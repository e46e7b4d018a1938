//go:build linux

package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxFaults is the number of faults that are kept.
const maxFaults = 20

// tally counts what happens in a run. Faults are what must not happen.
type tally struct {
	frames atomic.Int64    // of heartbeatd to attackers
	answer [6]atomic.Int64 // by the first digit of the status; 0: no answer
	unsup  atomic.Int64    // answers with 501 and 505

	mu     sync.Mutex // guards the following fields
	faults []string
	count  int // of faults
	beats  []time.Duration
	kinds  map[string]int // good beats by kind
}

// fault records what must not happen.
func (t *tally) fault(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count++; len(t.faults) < maxFaults {
		t.faults = append(t.faults, fmt.Sprintf(format, args...))
	}
}

// status counts an answer.
func (t *tally) status(status int) {
	if status == 501 || status == 505 { // what no server has to support
		t.unsup.Add(1)
		return
	}
	t.answer[status/100].Add(1)
}

// beat counts a good beat, which was answered after so long.
func (t *tally) beat(kind string, took time.Duration) {
	if took > late {
		t.fault("a good beat over %s is answered after %v", kind, took)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beats = append(t.beats, took)
	if t.kinds == nil {
		t.kinds = make(map[string]int)
	}
	t.kinds[kind]++
}

// latencies returns the median, the 99th percentile and the maximum of the good beats.
func (t *tally) latencies() (median, p99, most time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.beats) == 0 {
		return
	}
	slices.Sort(t.beats)
	n := len(t.beats)
	return t.beats[n/2], t.beats[n*99/100], t.beats[n-1]
}

// failed returns an error if there were faults.
func (t *tally) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == 0 {
		return nil
	}
	text := fmt.Sprintf("%d faults", t.count)
	for _, f := range t.faults {
		text += "\n  " + f
	}
	return fmt.Errorf("%s", text)
}
