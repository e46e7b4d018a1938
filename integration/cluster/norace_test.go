//go:build !race

package cluster

// upgradePages is how many pages TestUpgrade opens.
const upgradePages = 500
