// Package version tells which heartbeatd this is.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Version is what was built.
type Version struct {
	Version  string // of the module, as v0.1.0; a development build has a time and a revision in it
	Revision string // of the repository, or unknown
	Go       string // the version of Go
}

// Get returns the version of this program.
func Get() Version {
	v := Version{Version: "unknown", Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = cmp.Or(info.Main.Version, v.Version)
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
