// Package version tells which heartbeatd this is.
package version

import (
	_ "embed"
	"runtime"
	"runtime/debug"
	"strings"
)

// number is the version of everything in this repository. shared.test.mjs compares it with the
// plugin, package.json and CHANGELOG.md.
//
//go:embed VERSION
var number string

// Version is what was built.
type Version struct {
	Version  string // as v0.1.0
	Revision string // of the repository, or unknown
	Go       string // the version of Go
}

// Get returns the version of this program.
func Get() Version {
	v := Version{Version: "v" + strings.TrimSpace(number), Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

// String returns one line for people.
func (v Version) String() string {
	return "heartbeatd " + v.Version + " (revision " + v.Revision + ", " + v.Go + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
