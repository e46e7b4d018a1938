package server

import (
	"crypto/sha256"
	"sync"
)

// maxVouched bounds the tickets that a node remembers.
const maxVouched = 10_000

// vouched are tickets whose signature was found to be good. A page that beats by
// POST brings the same ticket for minutes, and reading it takes longer than the
// rest of the beat. A ticket is found by its hash, so the time that takes tells
// nothing of another.
type vouched struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]vouch
}

type vouch struct {
	site   string
	claims *Claims
}

// postedTicket is verifyTicket for a beat by POST. That the ticket is not over,
// not revoked, and its site here, is found out each time.
func (s *Server) postedTicket(raw string) (*site, *Claims, error) {
	var text [maxTicket]byte // not from the heap
	if len(raw) > len(text) {
		return s.verifyTicket(raw) // which says so
	}
	sum := sha256.Sum256(text[:copy(text[:], raw)])
	v, known := s.tickets.find(sum)
	if !known {
		id, claims, err := s.readTicket(raw)
		if err != nil {
			return nil, nil, err
		}
		v = vouch{id, claims}
		s.tickets.remember(sum, v)
	}
	return s.acceptTicket(v.site, v.claims)
}

func (t *vouched) find(sum [sha256.Size]byte) (v vouch, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, known = t.known[sum]
	return v, known
}

// remember makes room by forgetting any other.
func (t *vouched) remember(sum [sha256.Size]byte, v vouch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[[sha256.Size]byte]vouch)
	}
	for other := range t.known {
		if len(t.known) < maxVouched {
			break
		}
		delete(t.known, other)
	}
	t.known[sum] = v
}
