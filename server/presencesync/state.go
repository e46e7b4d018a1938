package presencesync

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// State is the state of one site's synchronization. The zero value is ready to use.
// Its lock may be taken under the lock of the site's view.
type State struct {
	mu       sync.Mutex // guards the following fields
	url      string     // empty: the site has no table
	issued   time.Time  // of the ticket that named the URL
	busy     bool
	next     time.Time
	soon     bool // PHP has changed rows: the next call is due
	failures int
	left     map[entryKey]departure // entries that left since the last call
}

// entryKey is the key of a row of the table.
type entryKey struct{ room, clientID string }

// departure is an entry that left.
type departure struct {
	Room     string `json:"room"`
	ClientID string `json:"client_id"`
	at       time.Time
}

// SetURL sets the URL that a ticket names for the calls, unless a newer ticket was seen.
// An empty URL says that the site has no table.
func (s *State) SetURL(url string, issued time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !issued.Before(s.issued) {
		s.issued, s.url = issued, url
	}
}

// Change records an entry that left. What exceeds the limit of a call expires in the
// table by itself.
func (s *State) Change(c presence.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := entryKey{c.Entry.Room, c.Entry.ClientID}
	switch {
	case c.Kind == presence.Joined:
		delete(s.left, k)
	case c.Kind == presence.Left && s.url != "" && len(s.left) < maxEntries:
		if s.left == nil {
			s.left = make(map[entryKey]departure)
		}
		s.left[k] = departure{k.room, k.clientID, time.Now()}
	}
}

// Soon makes the next call due, since PHP has changed rows. It returns false if the site has no
// table, or the last calls have failed.
func (s *State) Soon() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soon = s.url != "" && s.failures < failuresInRow
	return s.soon
}

// takeSoon reports whether a call was made due by Soon, once.
func (s *State) takeSoon() (soon bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	soon, s.soon = s.soon, false
	return soon
}

// begin returns the URL of the next call if one is due. Another node has reported
// entries that left long ago.
func (s *State) begin(now time.Time, every time.Duration) (url string, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.left, func(_ entryKey, d departure) bool { return now.Sub(d.at) > 3*every })
	if s.url == "" || s.busy || now.Before(s.next) && !s.soon {
		return "", false
	}
	s.busy = true
	return s.url, true
}

// end schedules the next call: later after each failure. called is false if another
// node made the call.
func (s *State) end(called bool, failed error, every time.Duration) (failures int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	switch {
	case failed != nil:
		s.failures++
	case called:
		s.failures = 0
	default:
		return s.failures
	}
	wait := every
	if over := s.failures - failuresInRow; over >= 0 {
		wait = min(every<<min(over+1, 16), maxPause)
	}
	s.next = time.Now().Add(wait)
	return s.failures
}

// departures returns the entries that left, for a call.
func (s *State) departures() []departure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.left), func(a, b departure) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ClientID, b.ClientID))
	})
}

// reported removes departures that WordPress has received.
func (s *State) reported(list []departure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		if k := (entryKey{d.Room, d.ClientID}); s.left[k].at.Equal(d.at) {
			delete(s.left, k)
		}
	}
}
