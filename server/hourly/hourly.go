// Package hourly limits how often something is logged, because clients determine how often it
// occurs: once an hour for each key.
package hourly

import (
	"sync"
	"time"
)

const every = time.Hour

// Limit is a limit of each key. There must not be more keys than the caller has room for. The zero
// value is ready to use. No other lock is taken under its own.
type Limit[K comparable] struct {
	mu    sync.Mutex // guards known
	known map[K]*occurrences
}

type occurrences struct {
	logged time.Time
	since  int // how many more there were since then
}

// Due reports whether an occurrence is to be logged, and how many were not since the last one that
// was.
func (l *Limit[K]) Due(key K, now time.Time) (more int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.known[key]
	if n == nil {
		if l.known == nil {
			l.known = make(map[K]*occurrences)
		}
		l.known[key] = &occurrences{logged: now}
		return 0, true
	}
	if now.Sub(n.logged) < every {
		n.since++
		return 0, false
	}
	more, n.since, n.logged = n.since, 0, now
	return more, true
}
