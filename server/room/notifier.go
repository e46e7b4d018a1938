package room

import (
	"sync"
	"time"
)

const (
	// nudgeDelay is how long changes of post rooms are gathered before a nudge.
	nudgeDelay = 250 * time.Millisecond
	// manyPages is how many pages are nudged at once. More are spread, 10 ms for each,
	// over at most maxSpreadMS.
	manyPages   = 20
	maxSpreadMS = 1000
)

// Notifier nudges the pages of a site that show active posts when a post's room has
// changed, so that their next beat asks again. The zero value is ready to use.
type Notifier struct {
	mu      sync.Mutex // guards the following fields; taken after a view's lock
	pages   map[Listener]*subscription
	changes uint64 // counts the changes
	told    uint64 // changes when pages were nudged last
	timer   *time.Timer
	due     time.Time // when the timer fires; zero: it does not run
}

// subscription is what the notifier knows of a page.
type subscription struct {
	told uint64 // changes that the page was nudged for
	last time.Time
	pace time.Duration
}

// Subscribe has a page nudged, at most once in pace.
func (n *Notifier) Subscribe(l Listener, pace time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pages == nil {
		n.pages = make(map[Listener]*subscription)
	}
	if n.pages[l] == nil {
		n.pages[l] = &subscription{told: n.told}
	}
	n.pages[l].pace = pace
}

// Unsubscribe ends that.
func (n *Notifier) Unsubscribe(l Listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pages, l)
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

// changed notes that a post's room has changed.
func (n *Notifier) changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	if len(n.pages) > 0 {
		n.schedule(nudgeDelay)
	}
}

// schedule has pages nudged after a time, unless some are nudged earlier already. It is
// called with n.mu held.
func (n *Notifier) schedule(wait time.Duration) {
	at := time.Now().Add(wait)
	if !n.due.IsZero() && !at.Before(n.due) {
		return
	}
	n.due = at
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.nudge)
		return
	}
	n.timer.Reset(wait)
}

// nudge nudges the pages that were not nudged since the last change. It holds no lock
// meanwhile, so that changes do not wait for it.
func (n *Notifier) nudge() {
	pages := n.take(time.Now())
	frame := NudgeFrame(spread(len(pages)))
	for _, l := range pages {
		l.Send(frame)
	}
}

// take returns the pages that may be nudged now, and schedules the others.
func (n *Notifier) take(now time.Time) (pages []Listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.due = time.Time{}
	n.told = n.changes
	var next time.Duration
	for l, s := range n.pages {
		wait := s.last.Add(s.pace).Sub(now)
		switch {
		case s.told == n.changes:
		case wait <= 0:
			s.told, s.last = n.changes, now
			pages = append(pages, l)
		case next == 0 || wait < next:
			next = wait
		}
	}
	if next > 0 {
		n.schedule(next)
	}
	return pages
}

// spread returns the time, in milliseconds, over which so many pages beat.
func spread(pages int) int { return min(max(0, pages-manyPages)*10, maxSpreadMS) }
