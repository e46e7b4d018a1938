//go:build race

package cluster

// upgradePages is how many pages TestUpgrade opens: with the race detector a page costs several times as much.
const upgradePages = 100
