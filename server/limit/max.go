package limit

import (
	"cmp"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/transport"
)

// Max are the limits that the operator may change.
type Max struct {
	MaxPages        int // sessions of one site on a node; those of all sites are at most 27 % more
	MaxUserPages    int // sessions of a user on a node
	MaxAddressPages int // WebSockets and sessions over HTTP of an address; also its TCP connections to a listener
	MaxQueueBytes   int // bytes of frames that wait for a page
	MaxBeats        int // beats of a page a second
}

// Defaults are enough for an office of 200 people with ten tabs each behind one address. A page
// beats every 5 s at the fastest.
var Defaults = Max{MaxPages: 200_000, MaxUserPages: 200, MaxAddressPages: 5000, MaxQueueBytes: transport.DefaultQueueBytes, MaxBeats: 5}

// A page may send beatBurst seconds' worth of beats at once.
const beatBurst = 6

// Max returns the limits that hold now.
func (l *Clients) Max() Max { return *l.max.Load() }

// SetMax changes the limits. A limit of zero is the default. Those who are above a limit stay.
func (l *Clients) SetMax(m Max) {
	l.max.Store(&Max{
		MaxPages:        cmp.Or(m.MaxPages, Defaults.MaxPages),
		MaxUserPages:    cmp.Or(m.MaxUserPages, Defaults.MaxUserPages),
		MaxAddressPages: cmp.Or(m.MaxAddressPages, Defaults.MaxAddressPages),
		MaxQueueBytes:   cmp.Or(m.MaxQueueBytes, Defaults.MaxQueueBytes),
		MaxBeats:        cmp.Or(m.MaxBeats, Defaults.MaxBeats),
	})
}

// Beats returns a limiter for the beats of a page.
func (m Max) Beats() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(m.MaxBeats), beatBurst*m.MaxBeats)
}

// LimitBeats changes the limiter of a page.
func (m Max) LimitBeats(of *rate.Limiter) {
	of.SetLimit(rate.Limit(m.MaxBeats))
	of.SetBurst(beatBurst * m.MaxBeats)
}
