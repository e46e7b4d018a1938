package room

import (
	"sync"
	"time"
)

const (
	// nudgeDelay is how long changes of post rooms are gathered before pages are told.
	nudgeDelay = 250 * time.Millisecond
	// manyPages is how many pages are nudged at once. More are spread, 10 ms for each,
	// over at most maxSpreadMS.
	manyPages   = 20
	maxSpreadMS = 1000
)

// Viewer is a page that shows active posts.
type Viewer interface {
	// ShowActivePosts sends the page the list of active posts, or the nudge. It returns
	// false if the page reads too slowly for the list: then it is called again later. It
	// finds in lists what was made for other pages.
	ShowActivePosts(nudge []byte, lists ActiveLists) bool
}

// ActiveLists are the frames of active posts that were made for one round of pages, by
// what a page may see: pages that see the same list get the same frame.
type ActiveLists map[string][]byte

// Notifier tells the pages of a site that show active posts when a post's room has changed.
// The zero value is ready to use.
type Notifier struct {
	sending sync.Mutex // held while pages are told, so that each gets lists in order; taken before any other lock

	mu      sync.Mutex // guards the following fields; taken after a view's lock
	pages   map[Viewer]*subscription
	changes uint64 // counts the changes
	told    uint64 // changes when pages were told last
	timer   *time.Timer
	due     time.Time // when the timer fires; zero: it does not run
}

// subscription is what the notifier knows of a page.
type subscription struct {
	told uint64 // changes that the page was told
	owed bool   // the page has no list yet
	last time.Time
	pace time.Duration
}

// Subscribe has a page told, at most once in pace. A page that is owed the list is told
// soon, if it has not subscribed before.
func (n *Notifier) Subscribe(v Viewer, pace time.Duration, owed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pages == nil {
		n.pages = make(map[Viewer]*subscription)
	}
	if n.pages[v] == nil {
		n.pages[v] = &subscription{told: n.told, owed: owed}
		if owed {
			n.schedule(nudgeDelay)
		}
	}
	n.pages[v].pace = pace
}

// Unsubscribe ends that.
func (n *Notifier) Unsubscribe(v Viewer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pages, v)
}

// Stop unsubscribes all pages and stops the timer.
func (n *Notifier) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.pages)
	if n.timer != nil {
		n.timer.Stop()
	}
}

// Changed notes that a post's room has changed, or who may see it.
func (n *Notifier) Changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	if len(n.pages) > 0 {
		n.schedule(nudgeDelay)
	}
}

// schedule has pages told after a time, unless some are told earlier already. It is called
// with n.mu held.
func (n *Notifier) schedule(wait time.Duration) {
	at := time.Now().Add(wait)
	if !n.due.IsZero() && !at.Before(n.due) {
		return
	}
	n.due = at
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.tell)
		return
	}
	n.timer.Reset(wait)
}

// tell tells the pages that were not told of the last change. It does not hold n.mu
// meanwhile, so that changes do not wait for it.
func (n *Notifier) tell() {
	n.sending.Lock()
	defer n.sending.Unlock()
	pages := n.take(time.Now())
	nudge := NudgeFrame(spread(len(pages)), true)
	lists := make(ActiveLists)
	for _, v := range pages {
		if !v.ShowActivePosts(nudge, lists) {
			n.owe(v)
		}
	}
}

// take returns the pages that may be told now, and schedules the others.
func (n *Notifier) take(now time.Time) (pages []Viewer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.due = time.Time{}
	n.told = n.changes
	var next time.Duration
	for v, s := range n.pages {
		wait := s.last.Add(s.pace).Sub(now)
		switch {
		case s.told == n.changes && !s.owed:
		case wait <= 0:
			s.told, s.owed, s.last = n.changes, false, now
			pages = append(pages, v)
		case next == 0 || wait < next:
			next = wait
		}
	}
	if next > 0 {
		n.schedule(next)
	}
	return pages
}

// owe has a page told again.
func (n *Notifier) owe(v Viewer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.pages[v]; s != nil {
		s.owed = true
		n.schedule(s.pace)
	}
}

// spread returns the time, in milliseconds, over which so many pages beat.
func spread(pages int) int { return min(max(0, pages-manyPages)*10, maxSpreadMS) }
