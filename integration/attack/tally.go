//go:build linux

package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxKinds is the number of kinds of faults that are told apart, and maxOfKind how many faults of
// each are kept.
const maxKinds, maxOfKind = 100, 3

// tally counts what happens in a run. Faults are what must not happen.
type tally struct {
	frames atomic.Int64    // of heartbeatd to attackers
	answer [6]atomic.Int64 // by the first digit of the status; 0: no answer
	unsup  atomic.Int64    // answers with 501 and 505

	mu     sync.Mutex         // guards the following fields
	faults map[string]*faults // by kind
	count  int                // of faults
	beats  []time.Duration
	kinds  map[string]int // good beats by kind
}

// faults are those of one kind.
type faults struct {
	first []string
	count int
}

// fault records what must not happen. Its kind is the format.
func (t *tally) fault(format string, args ...any) { t.faultOf(format, format, args...) }

// faultOf records what must not happen, and its kind.
func (t *tally) faultOf(kind, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
	if len(t.faults) >= maxKinds && t.faults[kind] == nil {
		kind = "others"
	}
	if t.faults == nil {
		t.faults = make(map[string]*faults)
	}
	if t.faults[kind] == nil {
		t.faults[kind] = new(faults)
	}
	of := t.faults[kind]
	if of.count++; len(of.first) < maxOfKind {
		of.first = append(of.first, fmt.Sprintf(format, args...))
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
	for _, kind := range sortedKeys(t.faults) {
		of := t.faults[kind]
		text += fmt.Sprintf("\n  %d of the kind %q:", of.count, kind)
		for _, f := range of.first {
			text += "\n    " + f
		}
	}
	return errors.New(text)
}
