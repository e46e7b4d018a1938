// Package network knows the site IDs of WordPress networks: shop-3 is the third site of the
// network shop.
package network

import (
	"fmt"
	"regexp"
	"slices"
)

// memberID is the ID of a site of a network other than the first one.
var memberID = regexp.MustCompile(`^(.+)-([1-9][0-9]{0,9})$`)

// Of returns the ID of the network that an ID belongs to if there is a network of that ID, or an
// empty string.
func Of(id string) string {
	if m := memberID.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return ""
}

// Check returns an error if a site of one of the networks has the ID of another site: whoever has
// the secret of the network could sign for that site.
func Check(ids, networks []string) error {
	for _, id := range ids {
		if of := Of(id); slices.Contains(networks, of) {
			return fmt.Errorf("the ID of site %q is also that of a site of the network %q: rename one of them, or remove \"network\" if %q is a single site", id, of, of)
		}
	}
	return nil
}
