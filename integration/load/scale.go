//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/heartbeatd/heartbeatd/transport"
)

// The kinds of pages whose cost is measured by their number: over real connections, and in the
// process of the server, which needs no open files for them.
const (
	overSockets = "WebSocket"
	overMixed   = "mixed"
	inMemory    = "in memory"
)

// scaleRows are the figures of a number of pages. Those with "ratio" are compared with the
// smallest number of the same kind.
var scaleRows = []row{
	{"memory", "memory a page", "KiB", goal{"most", 20}},
	{"idle", "idle CPU", "%", goal{"most", 10}},
	{"beat", "one beat of each page in turn: CPU for 10,000", "s", goal{"ratio", 1.2}},
	{"push-first", "push to everyone: the first page has it", "ms", goal{}},
	{"push-last", "push to everyone: the last page has it", "ms", goal{}},
	{"join", "1,000 joins a second into rooms of ten: CPU", "s", goal{}},
	{"join-last", "1,000 joins a second into rooms of ten: longest time until the welcome", "ms", goal{}},
	{"gc", "longest pause of the garbage collector", "ms", goal{}},
	{"drain", "SIGTERM: the node has ended", "s", goal{}},
	{"drain-back", "SIGTERM: longest time of a page without a link", "s", goal{"most", 60}},
	{"drain-cpu", "SIGTERM: CPU until all are back", "s", goal{}},
	{"drain-php", "SIGTERM: requests to PHP a second", "/s", goal{}},
	{"kill-back", "kill -9: longest time of a page without a link", "s", goal{"most", 60}},
	{"kill-cpu", "kill -9: CPU until all are back", "s", goal{}},
	{"kill-php", "kill -9: requests to PHP a second", "/s", goal{}},
	{"core-php", "the same pages without heartbeatd: requests to PHP a second", "/s", goal{}},
}

// scaleFigures are those of one kind and number of pages, by row; floors are of the same run.
type scaleFigures struct {
	kind        string
	pages       int
	ours, floor map[string]float64
}

func newScaleFigures(kind string, pages int) scaleFigures {
	return scaleFigures{kind, pages, map[string]float64{}, map[string]float64{}}
}

// scaleSizes are the numbers of pages over real connections, and in memory.
type scaleSizes struct {
	sockets, memory []int
}

// scale measures what pages cost by their number, prints a table, and draws plots into the folder
// b.plots unless it is empty.
func (b *bench) scale(out io.Writer) error {
	var all []scaleFigures
	began := time.Now()
	for _, kind := range []string{overSockets, overMixed, inMemory} {
		sizes, measure := b.sockets, b.scaleSockets
		if kind == inMemory {
			sizes, measure = b.sizes.scaleSizes.memory, b.scaleMemory
		}
		for _, n := range sizes {
			if most := mostSockets(); kind != inMemory && n > most {
				fmt.Fprintf(os.Stderr, "the limit of open files allows %d instead of %d connections\n", most, n)
				n = most
			}
			f := newScaleFigures(kind, n)
			if err := measure(f); err != nil {
				return fmt.Errorf("%d pages, %s: %w", n, kind, err)
			}
			all = append(all, f)
			fmt.Fprintf(os.Stderr, "%5.0f s: %s, %d pages: done\n", time.Since(began).Seconds(), kind, n)
		}
	}
	if err := writeScale(out, all); err != nil || b.plots == "" {
		return err
	}
	return drawScale(b.plots, all)
}

// set takes a figure, and says so.
func (f scaleFigures) set(row string, value float64) {
	f.ours[row] = value
	fmt.Fprintf(os.Stderr, "%s, %d pages: %-10s %12.5g\n", f.kind, f.pages, row, value)
}

func (f scaleFigures) setFloor(row string, value float64) {
	f.floor[row] = value
	fmt.Fprintf(os.Stderr, "%s, %d pages: %-10s %12.5g floor\n", f.kind, f.pages, row, value)
}

// mostSockets returns how many connections two processes may have, of which each has one end.
// heartbeatd keeps twice 512 files for itself.
func mostSockets() int {
	var is unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &is); err != nil || is.Max == unix.RLIM_INFINITY {
		return math.MaxInt
	}
	return int(min(is.Max, 1<<30)) - 1024 - 4*maxCalls
}

// scaleFiles returns the number of connections of a report.
func (b *bench) scaleFiles(report string) int {
	if report != "scale" {
		return 0
	}
	return min(slices.Max(b.sockets), mostSockets()) + 4*maxCalls
}

// writeScale writes a table for each kind of pages.
func writeScale(out io.Writer, all []scaleFigures) error {
	for _, kind := range []string{overSockets, overMixed, inMemory} {
		var of []scaleFigures
		for _, f := range all {
			if f.kind == kind {
				of = append(of, f)
			}
		}
		if len(of) == 0 {
			continue
		}
		text := "\n| " + kind + " |"
		for _, f := range of {
			text += fmt.Sprintf(" %s pages |", thousands(int64(f.pages)))
		}
		text += " wanted | |\n|---|"
		for range of {
			text += "--:|"
		}
		text += "---|---|\n"
		for _, r := range scaleRows {
			text += scaleLine(r, of)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

// scaleLine returns the lines of a row: its figures, and their floors if there are any.
func scaleLine(r row, of []scaleFigures) (text string) {
	cells := func(name string, value func(f scaleFigures) (float64, bool)) (line string, found bool) {
		line = "| " + name + " |"
		for _, f := range of {
			cell := ""
			if v, ok := value(f); ok {
				cell, found = quantity(v, r.unit), true
			}
			line += " " + cell + " |"
		}
		return line, found
	}
	line, found := cells(r.work, func(f scaleFigures) (float64, bool) { v, ok := f.ours[r.name]; return v, ok })
	if !found {
		return ""
	}
	last := of[len(of)-1]
	ratio := last.ours[r.name] / of[0].ours[r.name]
	text = line + " " + r.goal.text(r.unit) + " | " + r.goal.verdict(last.ours[r.name], ratio) + " |\n"
	if line, found := cells("its floor", func(f scaleFigures) (float64, bool) { v, ok := f.floor[r.name]; return v, ok }); found {
		text += line + " | |\n"
	}
	return text
}

// kindsOf returns the transports of the pages.
func kindsOf(kind string) []string {
	if kind == overMixed {
		return mixed
	}
	return []string{transport.NameWebSocket}
}

// drawScale draws a plot of each figure against the number of pages, light and dark.
func drawScale(dir string, all []scaleFigures) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, r := range scaleRows {
		lines := map[string][]point{}
		for _, f := range all {
			if v, ok := f.ours[r.name]; ok {
				lines[f.kind] = append(lines[f.kind], point{float64(f.pages), v})
			}
			if v, ok := f.floor[r.name]; ok {
				lines[f.kind+", floor"] = append(lines[f.kind+", floor"], point{float64(f.pages), v})
			}
		}
		if len(lines) == 0 {
			continue
		}
		p := plot{title: r.work, unit: r.unit, lines: lines, names: slices.Sorted(maps.Keys(lines))}
		if r.goal.kind == "most" {
			p.wanted = r.goal.value
		}
		if err := os.WriteFile(filepath.Join(dir, "scale-"+r.name+".svg"), p.svg(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
