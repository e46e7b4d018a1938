//go:build linux

// Command attack attacks heartbeatd, and prints what that does to it and to others.
//
//	go run ./integration/attack                        mutated inputs at every door, with good beats beside them
//	go run ./integration/attack -inputs 1000000        a million of them
//	go run ./integration/attack -seed 7 -case 1234     one case again
//	go run ./integration/attack -exhaust               clients that take memory, time and connections
//	go run ./integration/attack -exhaust -only 64      those whose name has a text
//	go run ./integration/attack -exhaust -binary FILE  the same against another version
//
// A mutated input is one request, or one frame. A case is eight of them on one door. A fault is
// a status of 5xx, a panic, a connection that does not end, an entry that is forged, a good beat
// that is late or not answered, or memory, goroutines or open files that stay. The first faults of
// each kind are printed, with the seed and the number of the case, which repeat it. Add a case that has
// found a fault to the list in attack_test.go.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
)

func main() {
	inputs := flag.Int("inputs", 100_000, "`number` of mutated inputs")
	seed := flag.Uint64("seed", 0, "`seed` of the inputs; 0: a new one")
	index := flag.Int("case", -1, "send only the case with this `number`")
	exhaust := flag.Bool("exhaust", false, "measure clients that take memory, time and connections")
	only := flag.String("only", "", "with -exhaust: only those whose name has this `text`")
	binary := flag.String("binary", "", "a heartbeatd `file`, instead of one that is built")
	flag.Parse()
	if err := start(*binary, *exhaust, *only, *inputs, *seed, *index); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func start(binary string, exhaust bool, only string, inputs int, seed uint64, index int) error {
	if binary == "" {
		dir, err := os.MkdirTemp("", "heartbeatd-attack-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if binary, err = buildNode(dir); err != nil {
			return err
		}
	}
	if exhaust {
		return exhaustAll(binary, only, os.Stdout)
	}
	r := &run{seed: cmp.Or(seed, rand.Uint64()>>32), inputs: inputs}
	if index >= 0 {
		r.first, r.inputs = uint64(index), 1
	}
	err := r.do(binary)
	r.report(os.Stdout)
	return err
}
