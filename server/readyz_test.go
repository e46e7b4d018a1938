package server

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/server/finding"
)

// TestReadyWithoutNATS checks that traffic may come to a node whose NATS is away: it answers beats.
func TestReadyWithoutNATS(t *testing.T) {
	hub := startHub(t, freeAddress(t))
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + hub.address})
	readyz := func() (int, string) {
		r, err := http.Get(n.admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, text(r)
	}
	if status, body := readyz(); status != 200 || body != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("with NATS: %d %s", status, body)
	}
	if err := hub.broker.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the reason", func() bool {
		status, body := readyz()
		return status == 200 && strings.HasPrefix(body, `{"ready":true,"reasons":[{"name":"nats","text":"`) && strings.Contains(body, hub.address) && strings.Contains(body, `,"finding":"nats-down"}]}`)
	})
	p := n.page(t, 1)
	if f := p.socket(t).beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("a beat without NATS: %+v", f)
	}
}

// TestReasonsAreFindings checks that every reason that /readyz can have names a finding of the list, and
// is in the documentation with it.
func TestReasonsAreFindings(t *testing.T) {
	b, err := os.ReadFile("../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "\n## readyz\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| `(.*?)` \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`(.*?)`").FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = row[2]
		}
	}
	all := problem.All()
	for _, p := range all {
		if !finding.IsKnown(p.Finding) {
			t.Errorf("%s has the finding %q, which is not in the list", p.Name, p.Finding)
		}
		if documented[p.Name] != p.Finding {
			t.Errorf("%s has the finding %q, and %q in the documentation", p.Name, p.Finding, documented[p.Name])
		}
	}
	if len(all) == 0 || len(documented) != len(all) {
		t.Errorf("%d reasons, and %d in the documentation", len(all), len(documented))
	}
}
