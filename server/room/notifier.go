package room

import (
	"sync"
	"time"
)

const (
	// nudgeDelay is the time from a change in a post's room until pages are notified. Further
	// changes in this time need no frame of their own.
	nudgeDelay = 250 * time.Millisecond
	// manyPages is how many pages are nudged at once. More are spread, 10 ms for each,
	// over at most maxSpreadMS.
	manyPages   = 20
	maxSpreadMS = 1000
)

// Viewer is a page that shows active posts.
type Viewer interface {
	// ShowActivePosts sends the page the list of active posts, or the nudge. lists has the
	// frames that were made for other pages. It returns false if the page reads too slowly
	// for the list: it is then called again later.
	ShowActivePosts(nudge []byte, lists ActiveLists) bool
}

// ActiveLists are the frames of active posts that were made in one round of notifications,
// by their posts: pages that may see the same posts get the same frame.
type ActiveLists map[string][]byte

// Notifier notifies the pages of a site that show active posts when a post's room has changed.
// The zero value is ready to use.
type Notifier struct {
	sending sync.Mutex // held while pages are notified, so that each gets lists in order; taken before any other lock

	mu       sync.Mutex // guards the following fields; taken after a view's lock
	pages    map[Viewer]*subscription
	changes  uint64 // counts the changes
	notified uint64 // changes when pages were last notified
	timer    *time.Timer
	due      time.Time // when the timer fires; zero: it does not run
}

// subscription is what the notifier knows of a page.
type subscription struct {
	notified  uint64 // changes when the page was last notified
	needsList bool   // the page must get the list even without a change
	last      time.Time
	interval  time.Duration
}

// Subscribe notifies a page of changes from now on, at most once in interval. If the page was not
// subscribed and needs the list, it is also notified after nudgeDelay, without a change.
func (n *Notifier) Subscribe(v Viewer, interval time.Duration, needsList bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pages == nil {
		n.pages = make(map[Viewer]*subscription)
	}
	if n.pages[v] == nil {
		n.pages[v] = &subscription{notified: n.notified, needsList: needsList}
		if needsList {
			n.schedule(nudgeDelay)
		}
	}
	n.pages[v].interval = interval
}

// Unsubscribe ends the notifications of a page.
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

// Changed is called when a post's room has changed, or who may see the post.
func (n *Notifier) Changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	if len(n.pages) > 0 {
		n.schedule(nudgeDelay)
	}
}

// schedule sets the timer to notify pages after wait, unless it fires earlier anyway. It is
// called with n.mu held.
func (n *Notifier) schedule(wait time.Duration) {
	at := time.Now().Add(wait)
	if !n.due.IsZero() && !at.Before(n.due) {
		return
	}
	n.due = at
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.notify)
		return
	}
	n.timer.Reset(wait)
}

// notify notifies the pages of the changes since they were last notified. It does not hold
// n.mu meanwhile, so that changes do not wait for it.
func (n *Notifier) notify() {
	n.sending.Lock()
	defer n.sending.Unlock()
	pages := n.take(time.Now())
	nudge := NudgeFrame(spread(len(pages)), true)
	lists := make(ActiveLists)
	for _, v := range pages {
		if !v.ShowActivePosts(nudge, lists) {
			n.retry(v)
		}
	}
}

// take returns the pages that may be notified now, and schedules the others.
func (n *Notifier) take(now time.Time) (pages []Viewer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.due = time.Time{}
	n.notified = n.changes
	var next time.Duration
	for v, s := range n.pages {
		wait := s.last.Add(s.interval).Sub(now)
		switch {
		case s.notified == n.changes && !s.needsList:
		case wait <= 0:
			s.notified, s.needsList, s.last = n.changes, false, now
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

// retry schedules a page that was too slow for the list.
func (n *Notifier) retry(v Viewer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.pages[v]; s != nil {
		s.needsList = true
		n.schedule(s.interval)
	}
}

// spread returns the time, in milliseconds, over which so many pages beat.
func spread(pages int) int { return min(max(0, pages-manyPages)*10, maxSpreadMS) }
