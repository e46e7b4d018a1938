package lockrenewal

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// every is the time between two calls of a site: pages repeat WordPress's last answer about
	// their lock for 100 s, and a lock lasts 150 s.
	every = 90 * time.Second
	// maxDoublings is how often the time until the next call doubles while calls fail.
	maxDoublings = 3
	// firstCall is the time until the first call for a site that had no editor, less at most
	// firstSpread: after a restart of the node the calls of many sites are spread. The first beat of
	// an editor, at most some seconds before, went to WordPress. A page that comes from another node may have to ask
	// WordPress itself before.
	firstCall   = 65 * time.Second
	firstSpread = 15 * time.Second
	// beatTime is how old the last beat of a page may be: a page that does not beat has no focus, or
	// its connection is broken, and its lock may expire.
	beatTime = 40 * time.Second
	// maxLock is the maximum number of bytes of a lock.
	maxLock = 100
	// handle is the handle with which an editor asks for its lock.
	handle = "wp-refresh-post-lock"
)

// Page is a page of a site.
type Page interface {
	// Send sends the page a frame. It does not wait.
	Send(frame []byte)
}

// Lock is a lock in a call.
type Lock struct {
	PostID  int64  `json:"post_id"`
	UserID  int64  `json:"user_id"`
	Session string `json:"session"` // hex SHA-256 of the session token, as in tickets
	Lock    string `json:"lock"`    // as the page knows it: it names the page's document
}

// held is a lock that a page holds.
type held struct {
	page Page
	url  string
	lock Lock
	beat time.Time // when the page last beat
}

// State is the locks of a site that pages of this node hold. The zero value is ready to use. No other
// lock is taken under its mutex. Sessions remove their pages, so it has no more pages than they are.
type State struct {
	mu       sync.Mutex // guards the following fields
	pages    map[Page]held
	next     time.Time // of the next call
	begun    time.Time // when the last one has begun
	busy     bool
	failures int // how many calls in a row have failed
}

// Beat takes a beat of a page that heartbeatd answers. The page repeats WordPress's last answer about
// its lock.
func (s *State) Beat(p Page, c *ticket.Claims, data *wordpress.Array, now time.Time) {
	asked := data.Array(handle)
	if c.Renewal == "" || c.Post == nil || asked == nil {
		return
	}
	post, err := strconv.ParseInt(asked.String("post_id"), 10, 64)
	lock := asked.String("lock")
	user, _ := c.UserID() // was checked
	if err != nil || post != c.Post.ID || len(lock) > maxLock {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages == nil {
		s.pages = make(map[Page]held)
	}
	if len(s.pages) == 0 && !s.busy {
		s.next = now.Add(firstCall - rand.N(firstSpread))
	}
	s.pages[p] = held{p, c.Renewal, Lock{post, user, c.SID, lock}, now}
}

// Forget removes a page: it has closed, or WordPress did not renew its lock.
func (s *State) Forget(p Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pages, p)
}

// due reports whether a call is due.
func (s *State) due(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pages) > 0 && !s.busy && !now.Before(s.next)
}

// begin returns the pages whose locks are renewed now, and the URL that the newest of them names. It
// forgets those that have not beaten for a while. Only one call of a site is made at a time.
func (s *State) begin(now time.Time) (url string, pages []held, begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || now.Before(s.next) {
		return "", nil, false
	}
	newest := time.Time{}
	for p, h := range s.pages {
		if now.Sub(h.beat) > beatTime {
			delete(s.pages, p)
			continue
		}
		pages = append(pages, h)
		if h.beat.After(newest) {
			newest, url = h.beat, h.url
		}
	}
	slices.SortFunc(pages, func(a, b held) int { // each one's turn is at about the same time of a call
		return cmp.Or(cmp.Compare(a.lock.PostID, b.lock.PostID), cmp.Compare(a.lock.UserID, b.lock.UserID))
	})
	s.busy, s.begun = len(pages) > 0, now
	return url, pages, s.busy
}

// end records that the calls were made, and reports whether they are the first ones that failed.
func (s *State) end(failed bool) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if failed {
		s.failures++
	} else {
		s.failures = 0
	}
	s.next = s.begun.Add(every << min(s.failures, maxDoublings))
	return s.failures == 1
}
