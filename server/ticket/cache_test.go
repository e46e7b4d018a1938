package ticket

import (
	"crypto/sha256"
	"testing"
)

// TestCacheLimit adds more tickets than the cache holds. The newest must be found.
func TestCacheLimit(t *testing.T) {
	var c cache
	for i := range maxCached + 100 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		c.put(sum, verified{siteID: "a site"})
		if _, found := c.get(sum); !found {
			t.Fatalf("ticket %d is not found", i)
		}
	}
	if len(c.tickets) != maxCached {
		t.Errorf("%d tickets are cached, want %d", len(c.tickets), maxCached)
	}
}
