package room

import (
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

const (
	// maxPrefixes is the largest number of entries in a cache. It is three times the
	// length of a list, so that entries that leave a list and soon come back stay cached.
	maxPrefixes = 600
	// smallList is the number of entries up to which a list is written without a
	// cache: most rooms are posts with a few editors, and there are many such rooms.
	smallList = 20
)

// prefixCache caches the JSON of entries without its end, which is the date: most often
// only the date changes. The owner of the cache guards it with its own lock.
type prefixCache map[string]*cachedPrefix // by client id

type cachedPrefix struct {
	entry presence.Entry
	prefix
}

// prefix is the JSON of an entry up to its date.
type prefix struct {
	text  []byte
	short []byte // with the short form of the data; nil if the data is small
}

// prefix returns the JSON of an entry up to its date, as write makes it. entries is the
// length of the list. All calls for one cache must pass the same write.
func (c *prefixCache) prefix(entries int, e *presence.Entry, write func(presence.Entry) prefix) prefix {
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
	return p.prefix
}
