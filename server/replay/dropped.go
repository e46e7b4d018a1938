package replay

import (
	"maps"
	"slices"
)

// maxDroppedSites is the largest number of sites whose dropped pushes are known one by one.
const maxDroppedSites = 10_000

// dropped knows which messages of a stream a node no longer has, by their sequence numbers. The
// zero value knows of none.
type dropped struct {
	all  uint64            // messages up to this one may be missing, of any site
	last map[string]uint64 // the newest push of a site that is missing
}

// add notes that a push of a site was dropped.
func (d *dropped) add(site string, seq uint64) {
	if d.last == nil {
		d.last = make(map[string]uint64)
	}
	d.last[site] = seq
	if len(d.last) > maxDroppedSites {
		d.addAll(slices.Max(slices.Collect(maps.Values(d.last))))
	}
}

// addAll notes that messages up to one were never received.
func (d *dropped) addAll(seq uint64) {
	d.all = max(d.all, seq)
	maps.DeleteFunc(d.last, func(_ string, last uint64) bool { return last <= d.all })
}

// upTo returns up to which message pushes of a site may be missing.
func (d *dropped) upTo(site string) uint64 { return max(d.all, d.last[site]) }
