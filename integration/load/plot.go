//go:build linux

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is a figure against the number of pages, as SVG. Its colours follow the reader's colour scheme.
type plot struct {
	title, unit string
	names       []string // of the lines, in the order of the legend
	lines       map[string][]point
	wanted      float64 // a horizontal line; 0: none
}

// point is a number of pages and a figure.
type point struct{ pages, value float64 }

// The sizes of a plot, and of its margins, in pixels.
const (
	plotWidth, plotHeight                  = 560, 300
	marginLeft, marginTop                  = 64, 34
	marginRight, marginBottom, legendWidth = 12, 42, 150
)

// The colours of the lines can be told apart by readers who see fewer colours.
const plotStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}
.axis{stroke:#57606a;fill:none}.grid{stroke:#d0d7de}.wanted{stroke:#57606a;stroke-dasharray:2 4}
.line{fill:none;stroke-width:2}.floor{stroke-dasharray:6 4}
.c0{stroke:#0969da}.c1{stroke:#bc4c00}.c2{stroke:#8250df}.c3{stroke:#1a7f37}
.f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#8250df}.f3{fill:#1a7f37}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.axis,.wanted{stroke:#9198a1}.grid{stroke:#3d444d}
.c0{stroke:#58a6ff}.c1{stroke:#f0883e}.c2{stroke:#bc8cff}.c3{stroke:#3fb950}
.f0{fill:#58a6ff}.f1{fill:#f0883e}.f2{fill:#bc8cff}.f3{fill:#3fb950}}
</style>
`

// axis is one axis: it maps values to pixels.
type axis struct {
	from, to   float64 // values
	start, end float64 // pixels
	log        bool
}

func (a axis) at(v float64) float64 {
	from, to := a.from, a.to
	if a.log {
		v, from, to = math.Log10(v), math.Log10(from), math.Log10(to)
	}
	return a.start + (v-from)/(to-from)*(a.end-a.start)
}

// ticks returns the values that are labelled: powers of ten, or about five round numbers.
func (a axis) ticks() (values []float64) {
	if a.log {
		for v := a.from; v <= a.to*1.001; v *= 10 {
			values = append(values, v)
		}
		return values
	}
	power := math.Pow(10, math.Floor(math.Log10(a.to)))
	step := 2 * power
	for _, finer := range []float64{1, 0.5, 0.2} {
		if a.to/step < 3 {
			step = finer * power
		}
	}
	for v := 0.0; v <= a.to*1.001; v += step {
		values = append(values, v)
	}
	return values
}

// axes returns the axes for the points. That of the pages is logarithmic, that of the figures too if
// they differ by more than a factor of 30.
func (p plot) axes() (x, y axis) {
	least, most, fewest, top := math.Inf(1), p.wanted, math.Inf(1), 0.0
	for _, line := range p.lines {
		for _, at := range line {
			fewest, top = min(fewest, at.pages), max(top, at.pages)
			most = max(most, at.value)
			if at.value > 0 {
				least = min(least, at.value)
			}
		}
	}
	down := func(v float64) float64 { return math.Pow(10, math.Floor(math.Log10(v))) }
	up := func(v float64) float64 { return math.Pow(10, math.Ceil(math.Log10(v))) }
	x = axis{down(fewest), max(up(top), 10*down(fewest)), marginLeft, plotWidth - marginRight - legendWidth, true}
	y = axis{0, max(most, 1e-9) * 1.08, plotHeight - marginBottom, marginTop, false}
	if most > 30*least {
		y.from, y.to, y.log = down(least), up(most), true
	}
	return x, y
}

// svg returns the plot.
func (p plot) svg() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight, html.EscapeString(p.title+" against the number of pages"))
	b.WriteString(plotStyle)
	fmt.Fprintf(&b, `<text class="title" x="8" y="18">%s</text>`+"\n", html.EscapeString(p.title+", "+p.unit))
	x, y := p.axes()
	for _, v := range x.ticks() {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.1fV%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n",
			x.at(v), y.start, y.end, x.at(v), y.start+16, thousands(int64(v)))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.1fH%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			x.start, y.at(v), x.end, x.start-6, y.at(v)+4, short(v))
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%.1f %.1fV%.1fH%.1f"/>`+"\n", x.start, y.end, y.start, x.end)
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">pages</text>`+"\n", (x.start+x.end)/2, plotHeight-6)
	if p.wanted > 0 {
		fmt.Fprintf(&b, `<path class="wanted" d="M%.1f %.1fH%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">wanted</text>`+"\n",
			x.start, y.at(p.wanted), x.end, x.end-6, y.at(p.wanted)-4)
	}
	colours := map[string]int{}
	for i, name := range p.names {
		kind, _, isFloor := strings.Cut(name, ", floor")
		if _, known := colours[kind]; !known {
			colours[kind] = len(colours)
		}
		p.drawLine(&b, name, i, colours[kind], isFloor, x, y)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// drawLine draws the nth line, with its points and its entry in the legend.
func (p plot) drawLine(b *strings.Builder, name string, n, colour int, isFloor bool, x, y axis) {
	class := fmt.Sprintf("line c%d", colour)
	if isFloor {
		class += " floor"
	}
	path, command := "", "M"
	for _, at := range p.lines[name] {
		v := at.value
		if y.log {
			v = max(v, y.from) // a logarithmic axis has no 0
		}
		path += fmt.Sprintf("%s%.1f %.1f", command, x.at(at.pages), y.at(v))
		command = "L"
		fmt.Fprintf(b, `<circle class="f%d" cx="%.1f" cy="%.1f" r="3"><title>%s pages: %s %s</title></circle>`,
			colour, x.at(at.pages), y.at(v), thousands(int64(at.pages)), short(at.value), html.EscapeString(p.unit))
	}
	at := float64(plotWidth - legendWidth)
	top := float64(marginTop + 10 + 20*n)
	fmt.Fprintf(b, `<path class="%s" d="%s"/><path class="%s" d="M%.1f %.1fh24"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
		class, path, class, at, top, at+30, top+4, html.EscapeString(name))
}

// short formats a number with three significant digits.
func short(v float64) string {
	if v >= 1000 {
		return thousands(int64(v + 0.5))
	}
	return fmt.Sprintf("%.3g", v)
}
