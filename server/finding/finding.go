// Package finding lists what can be wrong with a deployment: what it means for the site, and how
// to fix it. The doctor and the plugin's status report name their findings from this list; the
// plugin has a copy in PHP, made by integration/wordpress/findings.
package finding

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Severities of findings.
const (
	Error   = "error"   // pages cannot connect, or the site is not safe
	Warning = "warning" // a part does not work
	Notice  = "notice"  // everything works
)

// Finding is something that can be wrong. Backticks in its texts enclose code. {path} is the
// path of heartbeatd on the site, with a slash at the end, and {api} the address of its API.
type Finding struct {
	Name     string `json:"name"` // stable, for programs
	Severity string `json:"severity"`
	Text     string `json:"text"`    // what is wrong
	Meaning  string `json:"meaning"` // what it means for the site
	Fix      string `json:"fix"`
	// Fixes is how to do so with one of WebServers, by its name in lower case.
	Fixes map[string]string `json:"fixes"`
}

// WebServers are those of which the list knows the fixes.
var WebServers = []string{"nginx", "Apache", "Caddy", "lighttpd", "Varnish", "HAProxy"}

//go:embed findings.json
var list []byte

// All returns all findings.
func All() []Finding {
	var all []Finding
	if err := json.Unmarshal(list, &all); err != nil {
		panic(fmt.Sprintf("findings.json: %v", err)) // TestAll reads it
	}
	return all
}

// IsKnown reports whether the list has a finding with a name.
func IsKnown(name string) bool {
	return slices.ContainsFunc(All(), func(f Finding) bool { return f.Name == name })
}

// Named returns the finding with a name of the list, with the values of its placeholders, in pairs as
// for strings.NewReplacer.
func Named(name string, values ...string) Finding {
	for _, f := range All() {
		if f.Name == name {
			return f.with(strings.NewReplacer(values...))
		}
	}
	panic(fmt.Sprintf("findings.json has no finding %q", name))
}

func (f Finding) with(r *strings.Replacer) Finding {
	f.Text, f.Meaning, f.Fix = r.Replace(f.Text), r.Replace(f.Meaning), r.Replace(f.Fix)
	for server, fix := range f.Fixes {
		f.Fixes[server] = r.Replace(fix)
	}
	return f
}
