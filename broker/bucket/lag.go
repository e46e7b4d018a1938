package bucket

import "time"

// Lag tells whether a watch of the bucket lags behind what NATS has stored. A watch at a server that
// was away for a while may bring nothing for longer than entries live. It is not safe for concurrent
// use. now is the time since a fixed moment.
type Lag struct {
	upTo  uint64        // the newest revision that the watch has brought
	want  uint64        // a newer one that NATS has stored, or 0
	since time.Duration // when that was noticed
}

// Begin begins a watch. Its snapshot need not have the last revision that is known.
func (l *Lag) Begin(last uint64) { *l = Lag{upTo: last} }

// Brought takes a revision that the watch has brought.
func (l *Lag) Brought(rev uint64) { l.upTo = max(l.upTo, rev) }

// Exceeds reports whether the watch has not brought for longer than d what NATS had stored. last is the
// newest revision that NATS is known to have. Then another watch should begin.
func (l *Lag) Exceeds(d time.Duration, last uint64, now time.Duration) bool {
	if l.want == 0 || l.upTo >= l.want {
		l.want = 0
		if last > l.upTo {
			l.want, l.since = last, now
		}
		return false
	}
	if now-l.since <= d {
		return false
	}
	l.Begin(last)
	return true
}
