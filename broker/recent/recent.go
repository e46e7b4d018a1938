// Package recent remembers keys for a short time.
package recent

import (
	"maps"
	"time"
)

// Time is how long a key is remembered: the longest time between a beat and PHP's write for it.
const Time = 5 * time.Second

// maxKeys is the largest number of keys.
const maxKeys = 10_000

// Keys are the keys that links held and that left within the last Time. The zero value is empty. It
// is not safe for concurrent use.
type Keys struct {
	at    map[string]time.Time
	swept time.Time
}

// Add adds a key, unless there are too many.
func (g *Keys) Add(name string, now time.Time) {
	if now.Sub(g.swept) >= Time {
		g.swept = now
		maps.DeleteFunc(g.at, func(_ string, at time.Time) bool { return now.Sub(at) >= Time })
	}
	if g.at == nil {
		g.at = map[string]time.Time{}
	}
	if len(g.at) < maxKeys {
		g.at[name] = now
	}
}

// Has reports whether a key was added within the last Time.
func (g *Keys) Has(name string, now time.Time) bool { return now.Sub(g.at[name]) < Time }
