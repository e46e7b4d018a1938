//go:build linux

package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// found are cases that have found a fault, by their seed.
var found = []struct{ seed, index uint64 }{}

// hasRaceDetector reports whether the test was built with the race detector.
func hasRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// build builds heartbeatd, with the race detector if the test has it.
func build(t *testing.T) string {
	t.Helper()
	var args []string
	if hasRaceDetector() {
		args = append(args, "-race")
	}
	binary, err := buildNode(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestMutatedInputs is a short version of the program: some thousands of mutated inputs at
// every door, with good beats beside them.
func TestMutatedInputs(t *testing.T) {
	binary := build(t)
	runs := []*run{{seed: 1, inputs: 3_000}}
	for _, f := range found {
		runs = append(runs, &run{seed: f.seed, first: f.index, inputs: 1})
	}
	for _, r := range runs {
		t.Run(fmt.Sprintf("seed %d from %d", r.seed, r.first), func(t *testing.T) {
			err := r.do(binary)
			var figures strings.Builder
			r.report(&figures)
			t.Log("\n" + figures.String())
			if err != nil {
				t.Fatal(err)
			}
			if r.inputs > 1 && len(r.tally.beats) < r.inputs/inputsPerBeat {
				t.Errorf("%d good beats", len(r.tally.beats))
			}
		})
	}
}

// TestExhaustions makes the attacks of -exhaust for a moment: heartbeatd and the kernel use little
// memory, and somebody else is served. An answer of 8 MB that is not read is another case: the others wait.
// That responses of /metrics are not queued is checked by TestUnreadResponses: they are too small to tell here.
func TestExhaustions(t *testing.T) {
	binary := build(t)
	scale := 1
	if hasRaceDetector() {
		scale = 4 // it takes so much more memory
	}
	for _, e := range exhaustions {
		if strings.Contains(e.name, "8 MB") || strings.Contains(e.name, "/metrics") {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			observed := 500 * time.Millisecond
			if e.kernelMayUse > 0 {
				observed = 2 * time.Second // the kernel's buffers grow with time
			}
			m, err := e.measure(binary, observed)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(m)
			if m.requests == 0 || m.failed > 0 || m.most-m.before > e.mayUse*scale {
				t.Errorf("%v, may use %d MB", m, e.mayUse*scale>>20)
			}
			if used := m.kernel - m.kernelBefore; e.kernelMayUse > 0 && used > e.kernelMayUse {
				t.Errorf("the kernel uses %d MB, may use %d MB", used>>20, e.kernelMayUse>>20)
			}
		})
	}
}

// TestMutationsRepeat checks that a seed makes the same changes again, and different ones for
// each case.
func TestMutationsRepeat(t *testing.T) {
	seen := make(map[string]bool)
	for index := range uint64(100) {
		first, again := newSource(1, index), newSource(1, index)
		input := first.mutateText(apiCalls[0].body + forms[0])
		if input != again.mutateText(apiCalls[0].body+forms[0]) {
			t.Fatalf("case %d is not the same again", index)
		}
		seen[input] = true
	}
	if len(seen) < 70 {
		t.Errorf("%d different inputs of 100", len(seen))
	}
}

// TestFaultsOfEachKind checks that the first faults of each kind are printed, however many there
// are of another.
func TestFaultsOfEachKind(t *testing.T) {
	var tally tally
	for i := range 1000 {
		c := &client{tally: &tally, name: fmt.Sprintf("case %d of seed 7, API", i)}
		c.fault("status %d", 503)
	}
	tally.fault("a good beat over %s is answered after %v", "POST", time.Minute)
	for i := range 2 * maxKinds {
		tally.faultOf(fmt.Sprint("kind ", i), "fault")
	}
	text := fmt.Sprint(tally.failed())
	for _, want := range []string{"1201 faults", `1000 of the kind "API: status %d"`, "case 2 of seed 7, API: status 503", "over POST is answered after 1m0s", `102 of the kind "others"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %.2000s", want, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines > (maxKinds+1)*(maxOfKind+1) {
		t.Errorf("%d lines", lines)
	}
}
