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

// starts is how often heartbeatd is started.
const starts = 9

// footprint measures heartbeatd before its first page: the size of the program as it is released, the
// time until it is ready, and its memory. footprint.mjs measures the drop-in.
func (b *bench) footprint(out io.Writer) error {
	released := *b
	released.binary = filepath.Join(filepath.Dir(b.binary), "released")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", released.binary, "github.com/heartbeatd/heartbeatd/server/heartbeatd")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building heartbeatd: %w\n%s", err, text)
	}
	info, err := os.Stat(released.binary)
	if err != nil {
		return err
	}
	var ready, memory []float64
	for n := range starts {
		began := time.Now()
		p, err := released.heartbeatd()
		took := time.Since(began)
		err = with(p, err, func(p *process, l *loop) error {
			if err := l.rest(b.settle / 5); err != nil {
				return err
			}
			used, err := p.memory()
			memory = append(memory, float64(used)/(1<<20))
			return err
		})
		if err != nil {
			return err
		}
		ready = append(ready, ms(took))
		fmt.Fprintf(os.Stderr, "start %d of %d: ready after %.0f ms\n", n+1, starts, ms(took))
	}
	_, err = fmt.Fprintf(out, "| before the first page | |\n|---|--:|\n| program | %.1f MiB |\n| ready after, median of %d | %.0f ms |\n| memory, NATS inside | %.1f MiB |\n",
		float64(info.Size())/(1<<20), starts, median(ready), median(memory))
	return err
}
