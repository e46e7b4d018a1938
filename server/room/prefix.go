package room

import (
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

const (
	// maxPrefixes bounds a cache. It has everybody whom a list shows, and those who
	// come back to it soon, because whoever beats moves to its front.
	maxPrefixes = 600
	// smallList is the number of entries up to which a list is written without a
	// cache: most rooms are posts with a few editors, and there are many.
	smallList = 20
)

// prefixCache keeps how entries begin where a list writes their date last: of most of
// them nothing else changes. It has no lock: its owner has.
type prefixCache map[string]*cachedPrefix // by client id

type cachedPrefix struct {
	entry presence.Entry
	text  []byte
}

// prefix returns an entry, up to its date, as write writes it for a list of so many
// entries. All calls have the same write.
func (c *prefixCache) prefix(entries int, e *presence.Entry, write func(presence.Entry) []byte) []byte {
	if entries <= smallList {
		return write(*e)
	}
	p := (*c)[e.ClientID]
	if p == nil || !p.entry.SameButIdleAndDate(e) {
		if *c == nil {
			*c = make(prefixCache)
		}
		if len(*c) >= maxPrefixes {
			clear(*c)
		}
		p = &cachedPrefix{*e, write(*e)}
		(*c)[e.ClientID] = p
	}
	return p.text
}
