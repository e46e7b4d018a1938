package ticket

import (
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/clock"
)

// ClockSkew is how far the clocks of WordPress and of a node may differ. A ticket that is signed
// further in the future is refused, and an API key is accepted for so much longer.
const ClockSkew = 5 * time.Minute

// maxClocks is the largest number of sites whose clocks are known.
const maxClocks = 10_000

// clocks are those of the WordPress of each site. The zero value knows none.
type clocks struct {
	mu     sync.Mutex // guards bySite; clock.Signer's lock is taken under it
	bySite map[string]*clock.Signer
}

// of returns the clock of a site. If too many are known it forgets any other.
func (l *clocks) of(siteID string) *clock.Signer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.bySite[siteID]; s != nil {
		return s
	}
	if l.bySite == nil {
		l.bySite = make(map[string]*clock.Signer)
	}
	for other := range l.bySite {
		if len(l.bySite) < maxClocks {
			break
		}
		delete(l.bySite, other)
	}
	s := new(clock.Signer)
	l.bySite[siteID] = s
	return s
}

// Now returns the time by the clock of a site's WordPress, as its tickets and keys show it. It
// differs from this machine's by at most ClockSkew.
func (v *Verifier) Now(siteID string) time.Time {
	now := v.now()
	return now.Add(min(max(v.clocks.of(siteID).Ahead(now), -ClockSkew), ClockSkew))
}

// now returns this machine's time.
func (v *Verifier) now() time.Time {
	if v.Time == nil {
		return time.Now()
	}
	return v.Time()
}

// KeySigned takes the time at which a site's WordPress has signed a key that it has just sent.
func (v *Verifier) KeySigned(siteID string, at time.Time) {
	v.clocks.of(siteID).Signed(at, v.now(), true)
}

// WorstClock returns the site whose WordPress has a clock that differs most from this machine's,
// and how far it is ahead. It returns an empty site if no clock differs.
func (v *Verifier) WorstClock() (siteID string, ahead time.Duration) {
	now := v.now()
	v.clocks.mu.Lock()
	defer v.clocks.mu.Unlock()
	for id, s := range v.clocks.bySite {
		if a := s.Ahead(now); a.Abs() > ahead.Abs() {
			siteID, ahead = id, a
		}
	}
	return siteID, ahead
}
