package clocks

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestDifferences checks what is reported of a clock that begins to differ and ceases to.
func TestDifferences(t *testing.T) {
	var natsAhead, siteAhead time.Duration
	var log bytes.Buffer
	c := &Clocks{
		NATSAhead: func() time.Duration { return natsAhead },
		SiteAhead: func() (string, time.Duration) { return "blog", siteAhead },
		Log:       slog.New(slog.NewTextHandler(&log, nil)),
	}
	registry := prometheus.NewRegistry()
	c.Register(registry)
	differs := map[string]bool{}
	for _, step := range []struct {
		nats, site time.Duration
		want       string // the differences
		logged     int    // lines so far
	}{
		{time.Second, -time.Second, "", 0},
		{2 * time.Minute, 0, "The clock of NATS is 2m0s ahead of that of this machine", 1},
		{time.Minute, -3 * time.Second, "The clock of NATS is 1m0s ahead of that of this machine; The clock of WordPress of site blog is 3s behind that of this machine", 2},
		{0, 0, "", 4},
	} {
		natsAhead, siteAhead = step.nats, step.site
		var texts []string
		for _, d := range c.Differences() {
			texts = append(texts, d.String())
		}
		if n := len(c.Problems()); n != len(texts) {
			t.Errorf("%d problems for /readyz, want %d", n, len(texts))
		}
		if got := strings.Join(texts, "; "); got != step.want {
			t.Errorf("reported: %s\nwant: %s", got, step.want)
		}
		for range 3 {
			differs = c.log(differs)
		}
		if n := strings.Count(log.String(), "\n"); n != step.logged {
			t.Errorf("logged %d lines, want %d:\n%s", n, step.logged, &log)
		}
	}
	natsAhead = 90 * time.Second
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "heartbeatd_clock_offset_seconds" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	got := map[string]float64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
	}
	if len(got) != 2 || got[NATS] != 90 || got[WordPress] != 0 {
		t.Errorf("the metric is %v", got)
	}
}
