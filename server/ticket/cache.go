package ticket

import (
	"crypto/sha256"
	"sync"
)

// maxCached is the largest number of tickets that a node caches.
const maxCached = 10_000

// cache has tickets whose signature was verified. A page that beats by POST sends the same
// ticket for minutes, and parsing it takes longer than the rest of the beat. Tickets are
// found by their hash, so that the time of a look-up tells nothing about other tickets.
type cache struct {
	mu      sync.Mutex // guards the following fields
	tickets map[[sha256.Size]byte]verified
	cleared int // how often it was cleared
}

type verified struct {
	siteID string
	claims *Claims
}

// VerifyCached is Verify for a ticket that comes with each of many requests: its
// signature is verified once. Whether it has expired or was revoked is checked each time.
func (v *Verifier) VerifyCached(raw string) (siteID string, c *Claims, err error) {
	var text [MaxBytes]byte // not from the heap
	if len(raw) > len(text) {
		return v.Verify(raw) // which returns the error
	}
	sum := sha256.Sum256(text[:copy(text[:], raw)])
	found, cleared, ok := v.cache.get(sum)
	if !ok {
		if found.siteID, found.claims, err = v.parse(raw); err != nil {
			return "", nil, err
		}
		v.cache.put(sum, found, cleared)
	}
	return v.check(found.siteID, found.claims)
}

// ForgetVerified makes the verifier verify all tickets again: the secrets of sites have changed.
func (v *Verifier) ForgetVerified() {
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	v.cache.tickets = nil
	v.cache.cleared++
}

func (c *cache) get(sum [sha256.Size]byte) (v verified, cleared int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok = c.tickets[sum]
	return v, c.cleared, ok
}

// put adds a ticket, unless the cache was cleared while the ticket was verified. If the cache is full
// it removes any other.
func (c *cache) put(sum [sha256.Size]byte, v verified, cleared int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleared != cleared {
		return
	}
	if c.tickets == nil {
		c.tickets = make(map[[sha256.Size]byte]verified)
	}
	for other := range c.tickets {
		if len(c.tickets) < maxCached {
			break
		}
		delete(c.tickets, other)
	}
	c.tickets[sum] = v
}
