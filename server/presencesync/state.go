package presencesync

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// State is the state of one site's synchronization. The zero value is ready to use.
// Its lock may be taken under the lock of the site's view.
type State struct {
	mu       sync.Mutex // guards the following fields
	url      string     // empty: the site has no table
	issued   time.Time  // of the ticket that named the URL
	busy     bool
	next     time.Time
	soon     bool          // PHP has changed rows: the next call is due
	calls    *rate.Limiter // of calls because of such changes; nil: there was none
	leading  time.Time     // until when only this node makes such calls
	failures int
	left     map[entryKey]departure // entries that left since the last call
	// closed has the pages of this node whose connection is lost, by entry and connection
	// ID, until their grace period ends or they are back.
	closed map[entryKey]map[string]closedPage
}

// closedPage is a page whose connection is lost.
type closedPage struct {
	user int64
	at   time.Time
}

// entryKey is the key of a row of the table.
type entryKey struct{ room, clientID string }

// departure is an entry that left.
type departure struct {
	Room     string `json:"room"`
	ClientID string `json:"client_id"`
	UserID   int64  `json:"user_id"`
	Age      int64  `json:"age"` // for how many seconds its page has been closed
	at       time.Time
	closed   time.Time // when its page was closed
}

// SetURL sets the URL that a ticket names for the calls, unless a newer ticket was seen.
// An empty URL says that the site has no table. After failures another URL is called soon.
func (s *State) SetURL(url string, issued time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if issued.Before(s.issued) {
		return
	}
	if soon := time.Now().Add(retryWait); url != s.url && s.failures >= failuresInRow && soon.Before(s.next) {
		s.next = soon
	}
	s.issued, s.url = issued, url
}

// Closed records that the connection of a user's page which has an entry is lost. The page may have
// gone, so that calls no longer renew the row: the Presence API plugin deletes it when the
// page ends.
func (s *State) Closed(k presence.Key, user int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" {
		return
	}
	if s.closed == nil {
		s.closed = make(map[entryKey]map[string]closedPage)
	}
	e := entryKey{k.Room, k.ClientID}
	if s.closed[e] == nil {
		s.closed[e] = make(map[string]closedPage)
	}
	s.closed[e][k.Conn] = closedPage{user, at}
}

// Opened records that a page is connected again, or that its grace period is over.
func (s *State) Opened(k presence.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := entryKey{k.Room, k.ClientID}
	delete(s.closed[e], k.Conn)
	if len(s.closed[e]) == 0 {
		delete(s.closed, e)
	}
}

// Removed takes the client IDs of rows of a room that PHP has removed. A row is removed when its page
// ends, when another page of the user ends, or over REST. After closedWait, in the admin after
// adminWait, leave is called for each page of the row whose connection is lost, so that its entry does
// not stay for the grace period.
func (s *State) Removed(room string, clients []string, leave func(clientID, conn string, user int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.url == "" || len(clients) == 0 {
		return
	}
	wait := closedWait
	if room == wordpress.AdminRoom {
		wait = adminWait
	}
	time.AfterFunc(wait, func() {
		for _, id := range clients {
			for conn, page := range s.closedPages(entryKey{room, id}) {
				leave(id, conn, page.user)
			}
		}
	})
}

// closedPages returns the pages of an entry whose connection is lost, by their connection IDs.
func (s *State) closedPages(e entryKey) map[string]closedPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.closed[e])
}

// isClosed reports whether the connection of a page is lost.
func (s *State) isClosed(k presence.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, closed := s.closed[entryKey{k.Room, k.ClientID}][k.Conn]
	return closed
}

// Change records an entry of a page or of a back end that left: the rows that PHP wrote are
// PHP's to delete. What exceeds the limit of a call expires in the table by itself.
func (s *State) Change(c presence.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := entryKey{c.Entry.Room, c.Entry.ClientID}
	switch {
	case c.Kind == presence.Joined:
		delete(s.left, k)
	case c.Kind == presence.Left && c.Conn != conn && !isReserved(k.clientID) && s.url != "" && len(s.left) < maxEntries:
		if s.left == nil {
			s.left = make(map[entryKey]departure)
		}
		d := departure{Room: k.room, ClientID: k.clientID, UserID: c.Entry.UserID, at: time.Now(), closed: time.Now()}
		if page, ok := s.closed[k][c.Conn]; ok {
			d.closed = page.at
		}
		s.left[k] = d
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

// isSoon reports whether Soon has made a call due.
func (s *State) isSoon() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.soon
}

// tokens returns the tokens for calls because PHP has changed rows.
func (s *State) tokens() *rate.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = rate.NewLimiter(rate.Every(soonEvery), quickCalls)
	}
	return s.calls
}

// leads reports whether only this node makes calls because PHP has changed rows.
func (s *State) leads(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.leading)
}

// lead sets until when only this node makes calls because PHP has changed rows.
func (s *State) lead(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading = until
}

// isReserved reports whether the Presence API plugin uses the row of a client ID for itself,
// as for post locks.
func isReserved(clientID string) bool { return strings.HasPrefix(clientID, "_") }

// begin returns the URL of the next call if one is due. Another node has reported
// entries that left long ago.
func (s *State) begin(now time.Time, every time.Duration) (url string, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.left, func(_ entryKey, d departure) bool { return now.Sub(d.at) > 3*every })
	maps.DeleteFunc(s.closed, func(_ entryKey, pages map[string]closedPage) bool {
		maps.DeleteFunc(pages, func(_ string, page closedPage) bool { return now.Sub(page.at) > maxClosed }) // an entry that the page gave up
		return len(pages) == 0
	})
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

// postpone schedules the next call.
func (s *State) postpone(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = time.Now().Add(wait)
}

// departures returns the entries that left, for a call.
func (s *State) departures() []departure {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.SortedFunc(maps.Values(s.left), func(a, b departure) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ClientID, b.ClientID))
	})
	for i := range list {
		list[i].Age = int64(time.Since(list[i].closed).Seconds())
	}
	return list
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
