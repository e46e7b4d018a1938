// Package uplot holds uPlot, which draws plots, for the pages that heartbeatd serves.
package uplot

import "embed"

// Files has uplot.js, uplot.css and uPlot's license.
//
//go:embed uplot.js uplot.css uplot-license.txt
var Files embed.FS
