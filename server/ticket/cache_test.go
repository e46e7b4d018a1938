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
		c.put(sum, verified{siteID: "a site"}, 0)
		if _, _, found := c.get(sum); !found {
			t.Fatalf("ticket %d is not found", i)
		}
	}
	if len(c.tickets) != maxCached {
		t.Errorf("%d tickets are cached, want %d", len(c.tickets), maxCached)
	}
}

// TestForgetVerified checks that no ticket stays in the cache that was verified with keys of before,
// also one that was being verified.
func TestForgetVerified(t *testing.T) {
	var v Verifier
	sum, other := sha256.Sum256([]byte{1}), sha256.Sum256([]byte{2})
	v.cache.put(sum, verified{siteID: "a site"}, 0)
	_, cleared, _ := v.cache.get(other)
	v.ForgetVerified()
	v.cache.put(other, verified{siteID: "a site"}, cleared)
	for _, s := range [][sha256.Size]byte{sum, other} {
		if _, _, found := v.cache.get(s); found {
			t.Error("a ticket is still cached")
		}
	}
}
