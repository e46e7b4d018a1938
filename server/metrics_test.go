package server

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	dto "github.com/prometheus/client_model/go"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestMetricsAreDocumented compares docs/metrics.md with the metrics of a node: names, types, labels
// and meanings.
func TestMetricsAreDocumented(t *testing.T) {
	n := newNode(t)
	n.sessions.close() // so that there is a problem
	families, err := n.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "heartbeatd_") {
			continue
		}
		var labels []string
		for _, label := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		served = append(served, fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp()))
	}
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("(?m)^\\| `heartbeatd_.*$").FindAllString(string(doc), -1)
	for _, row := range served {
		if !slices.Contains(documented, row) {
			t.Errorf("docs/metrics.md does not have\n%s", row)
		}
	}
	for _, row := range documented {
		if !slices.Contains(served, row) {
			t.Errorf("the node does not have\n%s", row)
		}
	}
	for _, f := range families { // each value of a label is named in the page
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				name := f.GetName()
				if strings.HasPrefix(name, "heartbeatd_") && name != "heartbeatd_build_info" && !strings.Contains(string(doc), "`"+label.GetValue()+"`") {
					t.Errorf("docs/metrics.md does not name %s=%s of %s", label.GetName(), label.GetValue(), name)
				}
			}
		}
	}
}

// value returns a metric of a node: of a histogram, how much it has observed.
func (n *node) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := n.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	has := func(label *dto.LabelPair) bool { return slices.Contains(labels, label.GetValue()) }
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "heartbeatd_"+name && (len(labels) == 0 || !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return !has(l) })) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("no metric %s%v", name, labels)
	return 0
}

// counts waits until a metric has a value.
func (n *node) counts(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	until(t, fmt.Sprintf("%s%v is %v; it is %v", name, labels, want, n.value(t, name, labels...)), func() bool { return n.value(t, name, labels...) == want })
}

// TestMetricsCount does what each metric counts.
func TestMetricsCount(t *testing.T) {
	var log lockedBuffer
	n := newNodeOn(t, broker.Config{Listen: "127.0.0.1:0"}, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	p := n.page(t, 1)
	s := p.socket(t)
	n.counts(t, 1, "pages", "websocket", "demo")
	n.counts(t, 1, "opens_total", "websocket")
	s.beat(1, p.pinging("dashboard"))
	n.counts(t, 1, "beats_total", "tick")
	n.counts(t, 1, "beat_seconds")
	n.counts(t, 1, "presence_entries")
	until(t, "a write", func() bool { return n.value(t, "presence_writes_total") >= 1 })
	until(t, "the frame of the join", func() bool { return n.value(t, "fanout_seconds", "presence") >= 1 })
	for id := range uint64(2) {
		s.beat(2+id, p.form("data%5Bother%5D=1"))
	}
	n.counts(t, 2, "beats_total", "decline")
	n.counts(t, 2, "declined_beats_total", "handle")
	if got := strings.Count(log.String(), `msg="a beat is left to PHP" site=demo cause=handle`); got != 1 {
		t.Errorf("logged %d times:\n%s", got, log.String())
	}
	if status, answer := n.call(t, "/push", `{"to":{"all":true},"data":1}`); status != 202 {
		t.Fatalf("a push: %d %v", status, answer)
	}
	s.next("push")
	n.counts(t, 1, "messages_total", "push")
	n.counts(t, 1, "fanout_seconds", "push")
	if status, _ := n.call(t, "/nudge", `{"to":{"all":true}}`); status != 202 {
		t.Fatalf("a nudge: %d", status)
	}
	s.next("nudge")
	n.counts(t, 1, "messages_total", "nudge")
	n.counts(t, 1, "ready")
	n.counts(t, 1, "nats_connected")
	s.send(`{"type":"leave"}`)
	n.counts(t, 1, "closes_total", "4007")
	n.counts(t, 0, "presence_entries")

	l := n.page(t, 2).poller(t)
	n.counts(t, 1, "pages", "opening", "demo")
	l.poll(0)
	n.counts(t, 1, "pages", "longpoll", "demo")
	n.counts(t, 1, "opens_total", "http")
}

// TestReplayedPushes checks that a push is counted which a page gets after it has reconnected.
func TestReplayedPushes(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(p.hello())
	cursor := s.next("welcome").Cursor
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	n.counts(t, 1, "closes_total", "none")
	if status, answer := n.call(t, "/push", `{"to":{"all":true},"data":1}`); status != 202 {
		t.Fatalf("a push: %d %v", status, answer)
	}
	n.counts(t, 1, "messages_total", "push")
	again, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	again.send(strings.Replace(p.hello(), `"type":"hello"`, `"type":"hello","after":"`+cursor+`"`, 1))
	again.next("push")
	n.counts(t, 1, "replayed_pushes_total")
}

// TestRefusedHello checks that bad hellos are counted, and logged once, over both links.
func TestRefusedHello(t *testing.T) {
	var log lockedBuffer
	n := newNode(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	p := n.page(t, 1)
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(`{"type":"beat"}`)
	if _, code := s.ended(); code != transport.CodeProtocol {
		t.Errorf("closed with %d", code)
	}
	n.counts(t, 1, "refused_total", "hello")
	nodetest.Send(t, "POST", n.url+"/heartbeat/open", `{`, nil)
	n.counts(t, 2, "refused_total", "hello")
	nodetest.Send(t, "POST", n.url+"/heartbeat/open", `{"type":"hello","ticket":"x","conn":"`+p.conn+`"}`, nil)
	n.counts(t, 1, "refused_total", "bad-ticket")
	n.counts(t, 2, "refused_total", "hello")
	if got := strings.Count(log.String(), `msg="a page is refused" site="" cause=hello`); got != 1 {
		t.Errorf("logged %d times:\n%s", got, log.String())
	}
}
