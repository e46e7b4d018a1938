// Package heartbeatd_test checks the module as a whole.
package heartbeatd_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/heartbeatd/heartbeatd"

// allowed says what each of our packages may import of ours. client-js holds
// the scripts for the binary and imports nothing.
var allowed = map[string][]string{
	"/server/heartbeatd":            {"/server", "/server/demosite", "/server/limit", "/server/message", "/server/readiness", "/server/settings", "/server/ticket", "/broker", "/broker/bucket", "/broker/external", "/broker/presence", "/broker/problem", "/transport", "/transport/parking", "/client-js", "/server/heartbeatd/doctor", "/server/heartbeatd/apiclient", "/server/heartbeatd/secretfile", "/server/heartbeatd/terminal", "/server/version"},
	"/server/heartbeatd/doctor":     {"/client-js", "/server", "/server/finding", "/server/origin", "/server/readiness", "/server/ticket", "/server/wordpress", "/transport", "/server/heartbeatd/apiclient", "/server/heartbeatd/terminal"},
	"/server/heartbeatd/apiclient":  {"/server/origin", "/server/ticket", "/server/heartbeatd/secretfile", "/server/heartbeatd/terminal"},
	"/server/heartbeatd/terminal":   {},
	"/server/heartbeatd/secretfile": {},

	"/server":               {"/transport", "/transport/parking", "/broker", "/broker/budget", "/broker/presence", "/broker/topic", "/server/admin", "/server/balance", "/server/clocks", "/server/cron", "/server/demosite", "/server/deposit", "/server/forward", "/server/hook", "/server/hourly", "/server/limit", "/server/lockrenewal", "/server/message", "/server/metrics", "/server/network", "/server/origin", "/server/pageentries", "/server/phpbeats", "/server/pipeline", "/server/pushtransport", "/server/presencesync", "/server/proxy", "/server/readiness", "/server/refusal", "/server/replay", "/server/restapi", "/server/revocation", "/server/room", "/server/sessionindex", "/server/settings", "/server/sitecall", "/server/ticket", "/server/wordpress"},
	"/server/admin":         {"/server/balance", "/server/console", "/server/origin", "/server/readiness", "/server/restapi", "/server/version"},
	"/server/console":       {"/server/uplot"},
	"/server/balance":       {"/broker"},
	"/server/cron":          {},
	"/server/forward":       {"/broker", "/transport"},
	"/server/pipeline":      {"/transport", "/broker/presence", "/server/hook", "/server/wordpress"},
	"/server/metrics":       {"/broker", "/server/readiness", "/server/version"},
	"/server/network":       {},
	"/server/origin":        {},
	"/server/pageentries":   {"/broker/presence"},
	"/server/phpbeats":      {"/broker", "/broker/budget", "/broker/topic", "/server/message", "/server/ticket"},
	"/server/demosite":      {"/broker", "/broker/presence", "/server/hook", "/server/ticket", "/server/uplot", "/server/wordpress"},
	"/server/settings":      {"/server/limit", "/server/network", "/server/origin", "/server/proxy"},
	"/server/restapi":       {"/broker", "/broker/budget", "/broker/presence", "/broker/problem", "/broker/topic", "/server/hook", "/server/message", "/server/readiness", "/server/ticket", "/server/version", "/server/wordpress"},
	"/server/presencesync":  {"/broker", "/broker/budget", "/broker/presence", "/server/restapi", "/server/sitecall", "/server/ticket", "/server/wordpress"},
	"/server/lockrenewal":   {"/server/message", "/server/room", "/server/sitecall", "/server/ticket", "/server/wordpress"},
	"/server/pushtransport": {"/broker", "/broker/presence", "/server/hook", "/server/message", "/server/sitecall", "/server/ticket", "/server/wordpress"},
	"/server/sitecall":      {"/server/origin", "/server/ticket"},
	"/server/deposit":       {"/broker", "/broker/budget", "/broker/topic", "/server/message", "/server/wordpress"},
	"/server/readiness":     {"/broker", "/broker/problem"},
	"/server/replay":        {"/broker", "/broker/clock", "/broker/topic", "/server/message", "/transport"},
	"/server/refusal":       {"/server/hourly", "/server/metrics", "/server/network", "/server/ticket", "/transport"},
	"/server/message":       {"/broker/presence", "/server/wordpress"},
	"/server/room":          {"/transport", "/broker", "/broker/presence", "/broker/topic", "/server/hook", "/server/wordpress"},
	"/server/revocation":    {"/broker", "/broker/topic", "/server/ticket"},
	"/server/ticket":        {"/broker/clock", "/server/hook", "/server/wordpress"},
	"/server/clocks":        {"/broker/clock", "/broker/problem"},
	"/server/hook":          {"/broker/presence", "/server/wordpress"},
	"/server/proxy":         {"/transport", "/server/limit", "/server/origin"},
	"/server/limit":         {"/transport", "/broker/budget", "/server/hourly"},
	"/server/hourly":        {},
	"/server/sessionindex":  {},
	"/server/finding":       {},
	"/server/uplot":         {},
	"/server/version":       {},
	"/server/wordpress":     {},
	"/transport":            {"/transport/parking"},
	"/transport/parking":    {},
	"/broker":               {"/broker/ack", "/broker/bucket", "/broker/budget", "/broker/clock", "/broker/embedded", "/broker/external", "/broker/health", "/broker/leader", "/broker/lease", "/broker/presence", "/broker/problem", "/broker/recent", "/broker/streamsize", "/broker/topic", "/broker/wheel"},
	"/broker/ack":           {},
	"/broker/clock":         {},
	"/broker/embedded":      {"/broker/budget", "/broker/presence"},
	"/broker/bucket":        {"/broker/clock", "/broker/leader", "/broker/presence"},
	"/broker/topic":         {"/broker/bucket", "/broker/budget", "/broker/presence"},
	"/broker/leader":        {},
	"/broker/health":        {},
	"/broker/lease":         {"/broker/external", "/broker/presence"},
	"/broker/external":      {"/broker/bucket", "/broker/presence"},
	"/broker/budget":        {},
	"/broker/presence":      {},
	"/broker/problem":       {},
	"/broker/recent":        {},
	"/broker/streamsize":    {"/broker/problem"},
	"/broker/wheel":         {},
	"/client-js":            {},

	"/internal/leaktest":     {},                                                                      // for tests only
	"/internal/nodetest":     {"/broker", "/server/ticket", "/transport/parking", "/internal/apidoc"}, // for tests only
	"/internal/apidoc":       {},                                                                      // for tests only
	"/internal/memtransport": {"/transport"},                                                          // for tests only
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from, _ := strings.CutPrefix(p.ImportPath, module)
		may, known := allowed[from]
		if from == "" || strings.HasPrefix(from, "/integration/") {
			continue // tests and benchmarks may use everything
		}
		if !known {
			t.Errorf("package %s is not in the layout: add it to docs/architecture.md and to this test, or put it where it belongs", p.ImportPath)
		}
		seen++
		for _, i := range p.Imports {
			if to, ours := strings.CutPrefix(i, module); ours && !slices.Contains(may, to) {
				t.Errorf("%s must not import %s", p.ImportPath, i)
			}
		}
	}
	if seen != len(allowed) {
		t.Errorf("%d of the layout's %d packages are there", seen, len(allowed))
	}
}

// TestArchitecture fails if docs/architecture.md does not name a package, or lists one below
// a package that it imports.
func TestArchitecture(t *testing.T) {
	doc, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		short := "`" + path.Base(pkg) + "`"
		if full := "`" + strings.TrimPrefix(pkg, "/") + "`"; !strings.Contains(string(doc), full) && !strings.Contains(string(doc), short) {
			t.Errorf("docs/architecture.md does not name package %s", full)
		}
	}
	row := func(pkg string) int {
		return strings.Index(string(doc), "\n| `"+strings.TrimPrefix(pkg, "/")+"` |")
	}
	for pkg, imports := range allowed {
		for _, i := range imports {
			if above, below := row(pkg), row(i); above >= 0 && below >= 0 && above > below {
				t.Errorf("docs/architecture.md lists %s below %s, which it imports", pkg, i)
			}
		}
	}
}
