//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of no values is not NaN")
	}
}

// TestPercentile checks percentiles of small and large samples.
func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration((i*37)%100+1))
	}
	for p, want := range map[float64]time.Duration{99: 99, 100: 100, 50: 50, 1: 1, 0.5: 1, 98.1: 99} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("%v%% of 1 to 100: %d, want %d", p, got, want)
		}
	}
	if got := percentile([]time.Duration{7, 3}, 99); got != 7 {
		t.Errorf("of two: %d", got)
	}
	if got := percentile(nil, 99); got != 0 {
		t.Errorf("of none: %d", got)
	}
}

// TestTable checks the medians, the ratios of each run, and the verdicts in the table.
func TestTable(t *testing.T) {
	all := newResults()
	for _, f := range []figure{
		{"beat-websocket", 0.3, 0.1}, {"beat-websocket", 0.12, 0.1}, {"beat-websocket", 0.4, 0.4},
		{"push-saturated", 930_999.7, 0}, {"join-seen", 20.01, 0}, {"idle-tcp", 0, 4.1},
	} {
		all.add(f)
	}
	var b strings.Builder
	if err := all.write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 0.1 s | 0.3 s | 1.2 × | ≤ 1.6 × | yes |\n",
		"|  | 931,000 /s |  | ≥ 931,000 /s | no |\n",
		"|  | 20 ms |  | ≤ 20 ms | no |\n",
		"| 4.1 KiB |  |  |  |  |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if lines := strings.Count(b.String(), "\n"); lines != 6 {
		t.Errorf("%d lines", lines)
	}
}

// TestPeersTable checks that the table of the peers has a column for each peer.
func TestPeersTable(t *testing.T) {
	all := newResults()
	all.add(figure{"push-two", 200_000, 100_000})
	all.add(figure{"join-seen", 2, 0})
	var b strings.Builder
	if err := all.writePeers(&b); err != nil || b.String() != "" {
		t.Errorf("%q %v without peers", b.String(), err)
	}
	all.peers["ws"] = []figure{{"push-two", 1, 0}, {"push-two", 3, 0}, {"push-two", 2, 0}}
	all.peers["centrifuge"] = []figure{{"push-two", 84_000, 0}}
	if err := all.writePeers(&b); err != nil {
		t.Fatal(err)
	}
	want := "\n| work | heartbeatd | centrifuge | socket.io | ws |\n|---|--:|--:|--:|--:|\n" +
		"| the same, two messages in flight | 200,000 /s | 84,000 /s |  | 2 /s |\n"
	if b.String() != want {
		t.Errorf("got %s want %s", b.String(), want)
	}
}
