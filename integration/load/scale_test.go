//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScale measures a few pages over all transports and in memory, and checks that all figures are there,
// in the table and in plots. Their values have no meaning.
func TestScale(t *testing.T) {
	b := &bench{sizes: tiny, core: -1, plots: t.TempDir()}
	if err := b.build(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	var all []scaleFigures
	for kind, measure := range map[string]func(scaleFigures) error{overMixed: b.scaleSockets, inMemory: b.scaleMemory} {
		f := newScaleFigures(kind, 40)
		if err := measure(f); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, r := range scaleRows {
			if _, found := f.ours[r.name]; !found {
				t.Errorf("%s: there is no %s", kind, r.name)
			}
		}
		for _, row := range []string{"push-last", "join-last", "drain-back", "kill-back", "kill-cpu"} {
			if f.ours[row] <= 0 {
				t.Errorf("%s: %s is %v", kind, row, f.ours[row])
			}
		}
		all = append(all, f)
	}
	var table strings.Builder
	if err := errors.Join(writeScale(&table, all), drawScale(b.plots, all)); err != nil {
		t.Fatal(err)
	}
	for _, r := range scaleRows {
		if got := strings.Count(table.String(), "| "+r.work+" |"); got != len(all) {
			t.Errorf("%d lines with %s", got, r.work)
		}
		f, err := os.Open(filepath.Join(b.plots, "scale-"+r.name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		texts := 0
		for d := xml.NewDecoder(f); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
			if s, ok := token.(xml.StartElement); ok && s.Name.Local == "text" {
				texts++
			}
		}
		if texts < 6 {
			t.Errorf("the plot of %s has %d texts", r.name, texts)
		}
		_ = f.Close()
	}
}

// TestAxes checks which values the axes of a plot have.
func TestAxes(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   string
	}{
		"linear":      {[]float64{3, 7}, "0 2 4 6"},
		"small":       {[]float64{0.012, 0.02}, "0 0.005 0.01 0.015 0.02"},
		"logarithmic": {[]float64{2, 700}, "1 10 100 1,000"},
		"none":        {[]float64{0, 0}, "0 2e-10 4e-10 6e-10 8e-10 1e-09"},
	} {
		p := plot{lines: map[string][]point{"a": {{1000, c.values[0]}, {100_000, c.values[1]}}}}
		x, y := p.axes()
		var got []string
		for _, v := range y.ticks() {
			got = append(got, short(v))
			if at := y.at(v); at > y.start || at < y.end {
				t.Errorf("%s: %v is at %v, outside of the plot", name, v, at)
			}
		}
		if strings.Join(got, " ") != c.want || len(x.ticks()) != 3 {
			t.Errorf("%s: %v and %v", name, got, x.ticks())
		}
	}
}

// TestPauses checks the pauses in a line of the garbage collector's trace.
func TestPauses(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"gc 12 @3.216s 1%: 0.021+1.2+0.35 ms clock, 0.04+0.1/1.1/0+0.7 ms cpu, 30->31->16 MB, 32 MB goal, 0 MB stacks, 0 MB globals, 2 P": 350 * time.Microsecond,
		"gc 1 @0.001s 0%: 1.5+0.2+0 ms clock, x": 1500 * time.Microsecond,
		"level=INFO msg=ready":                   0,
	} {
		if got := pauseOf([]byte(line)); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}
