//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// row is a line of the table.
type row struct {
	name, work, unit string
	goal             goal
}

// goal is the value that a row must reach. Without a kind there is none.
type goal struct {
	kind  string // "ratio", "most", "least"
	value float64
}

// rows are the rows of the table, in order.
var rows = []row{
	{"beat-cold", "beat → tick over a WebSocket, each of 18,000 quiet pages once, in turn: CPU for 10,000", "s", goal{"ratio", 1.6}},
	{"beat-cold-nats", "the same, with a NATS that others can reach: each beat is written to it", "s", goal{}},
	{"beat-websocket", "beat → tick over a WebSocket, 64 at a time, warm: CPU for 10,000", "s", goal{"ratio", 1.6}},
	{"beat-dashboard", "beat → tick, 64 people on one dashboard, each tick lists them all: CPU for 10,000", "s", goal{}},
	{"dashboard-cpu", "1,000 people on one dashboard, each beats every 15 s: CPU", "%", goal{}},
	{"crowd-bytes", "1,478 people on one dashboard, each beats every 15 s, two come and two go each second: presence frames of a page", "KB/s", goal{}},
	{"crowd-bytes-without-dates", "the same, of a page that does not understand dates", "KB/s", goal{}},
	{"beat-post", "beat → tick by POST, 64 connections: CPU for 10,000", "s", goal{"ratio", 1.5}},
	{"beat-longpoll", "beat → tick over long-poll, 64 at a time: CPU for 10,000", "s", goal{}},
	{"idle-memory", "memory of an idle page with one entry, 10,000 pages, NATS inside", "KiB", goal{"most", 28}},
	{"idle-tcp", "memory of an idle TCP connection, a goroutine each", "KiB", goal{}},
	{"idle-longpoll", "memory of an idle page that long-polls", "KiB", goal{"most", 25}},
	{"idle-events", "memory of an idle page with an event stream", "KiB", goal{"most", 25}},
	{"idle-cpu", "idle CPU of 10,000 pages, renewals and pings included", "%", goal{"most", 2.5}},
	{"push-saturated", "push to a room of 1,000, deliveries a second, saturated", "/s", goal{"least", 931_000}},
	{"push-cpu", "the same: CPU for a million deliveries", "s", goal{}},
	{"push-two", "the same, two messages in flight", "/s", goal{"least", 301_000}},
	{"push-paced", "the same, 20,000 deliveries a second offered: p99", "ms", goal{"most", 10}},
	{"push-longpoll", "push to a room of 1,000 that long-polls, two messages in flight", "/s", goal{}},
	{"join-storm", "1,000 pages join one room within a second: all told, after the last", "s", goal{"most", 0.25}},
	{"join-storm-cpu", "the same: CPU", "s", goal{"most", 0.8}},
	{"join-seen", "join seen by another page, quiet server: p99", "ms", goal{"most", 20}},
	{"beat-among-many", "a beat with 10,000 pages connected, against 100: CPU for 10,000", "s", goal{"ratio", 1.2}},
	{"beat-each", "one beat of each of 10,000 pages that edit posts in tens: CPU", "s", goal{}},
}

// results are the values of all runs, by row, and those of peers by name.
type results struct {
	ours, floor, ratio map[string][]float64
	peers              map[string][]figure
}

func newResults() results {
	return results{map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, map[string][]figure{}}
}

func (r results) add(f figure) {
	if f.ours != 0 {
		r.ours[f.row] = append(r.ours[f.row], f.ours)
	}
	if f.floor != 0 {
		r.floor[f.row] = append(r.floor[f.row], f.floor)
	}
	if f.ours != 0 && f.floor != 0 {
		// Of the same run, so that a slow machine changes both values.
		r.ratio[f.row] = append(r.ratio[f.row], f.ours/f.floor)
	}
}

// write writes the table of the medians.
func (r results) write(w io.Writer) error {
	if _, err := fmt.Fprint(w, "| work | floor | heartbeatd | ratio | must reach | |\n|---|---|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, row := range rows {
		ours, floor, ratio := median(r.ours[row.name]), median(r.floor[row.name]), median(r.ratio[row.name])
		if math.IsNaN(ours) && math.IsNaN(floor) {
			continue // not run
		}
		_, err := fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", row.work,
			quantity(floor, row.unit), quantity(ours, row.unit), quantity(ratio, "×"), row.goal.text(row.unit), row.goal.verdict(ours, ratio))
		if err != nil {
			return err
		}
	}
	return nil
}

// writePeers writes the table of heartbeatd and its peers, if there are any.
func (r results) writePeers(w io.Writer) error {
	if len(r.peers) == 0 {
		return nil
	}
	line := "\n| work | heartbeatd |"
	for _, pr := range peers {
		line += " " + pr.name + " |"
	}
	line += "\n|---|--:|" + strings.Repeat("--:|", len(peers)) + "\n"
	for _, row := range rows {
		cells, found := "", false
		for _, pr := range peers {
			var values []float64
			for _, f := range r.peers[pr.name] {
				if f.row == row.name {
					values, found = append(values, f.ours), true
				}
			}
			cells += " " + quantity(median(values), row.unit) + " |"
		}
		if found {
			line += "| " + row.work + " | " + quantity(median(r.ours[row.name]), row.unit) + " |" + cells + "\n"
		}
	}
	_, err := io.WriteString(w, line)
	return err
}

// quantity formats a number with three significant digits, or returns "" for NaN.
func quantity(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return ""
	case v >= 1000:
		return thousands(int64(v+0.5)) + " " + unit
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + unit
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (g goal) text(unit string) string {
	switch g.kind {
	case "ratio":
		return "≤ " + quantity(g.value, "×")
	case "most":
		return "≤ " + quantity(g.value, unit)
	case "least":
		return "≥ " + quantity(g.value, unit)
	}
	return ""
}

// verdict returns "yes" if the goal is reached, "no" if not, and "" without a goal.
func (g goal) verdict(ours, ratio float64) string {
	reached := false
	switch g.kind {
	case "ratio":
		reached = ratio <= g.value
	case "most":
		reached = ours <= g.value
	case "least":
		reached = ours >= g.value
	default:
		return ""
	}
	if reached {
		return "yes"
	}
	return "no"
}
