// Package clientjs holds the built scripts, so that the binary can serve them.
package clientjs

import (
	"embed"
	"io/fs"
)

//go:embed dist
var files embed.FS

// Dist has heartbeat.js, heartbeat-transport.js, heartbeat-link.js and their source maps.
var Dist = func() fs.FS {
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dist
}()
