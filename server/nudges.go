package server

import (
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// nudgeDelay is how long news of post rooms is gathered.
	nudgeDelay = 250 * time.Millisecond
	// nudgePace is the least time between two nudges of a page that is answered
	// here; of one that PHP answers, phpNudgePace.
	nudgePace    = time.Second
	phpNudgePace = 5 * time.Second
	// manyWatchers is how many pages are nudged at once; more are spread, 10 ms
	// for each, over at most a second.
	manyWatchers = 20
)

// watchers are the pages of a site that show which posts are being edited:
// those whose last beat asked. When a post's room changes they are told to
// beat again.
type watchers struct {
	mu    sync.Mutex // guards the following fields; taken after a view's lock
	pages map[*session]*watcher
	news  uint64 // counts the changes
	told  uint64 // news when the pages were told last
	timer *time.Timer
	due   bool // the timer runs
}

type watcher struct {
	told uint64 // what this page knows
	last time.Time
	pace time.Duration
}

// attend reads from a page's beat whether it is one of them.
func (w *watchers) attend(s *session, data *wordpress.Array, pace time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !s.user.EditPosts || wordpress.Empty(data.Get(activeHandle)) {
		delete(w.pages, s)
		return
	}
	if w.pages == nil {
		w.pages = make(map[*session]*watcher)
	}
	if w.pages[s] == nil {
		w.pages[s] = &watcher{told: w.told}
	}
	w.pages[s].pace = pace
}

func (w *watchers) forget(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pages, s)
}

func (w *watchers) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.pages)
	if w.timer != nil {
		w.timer.Stop()
	}
}

// poke says that a post's room has changed.
func (w *watchers) poke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news++
	if !w.due && len(w.pages) > 0 {
		w.schedule(nudgeDelay)
	}
}

func (w *watchers) schedule(wait time.Duration) {
	w.due = true
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.tell)
		return
	}
	w.timer.Reset(wait)
}

// tell nudges the pages that do not know the news. A change need not wait for
// that, so it is done without the lock.
func (w *watchers) tell() {
	ready := w.ready(time.Now())
	frame := nudgeFrame(spreadOf(len(ready)))
	for _, s := range ready {
		s.send(frame)
	}
}

// ready takes the pages whose turn it is, and comes back for the others.
func (w *watchers) ready(now time.Time) (ready []*session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = false
	w.told = w.news
	var next time.Duration
	for s, page := range w.pages {
		wait := page.last.Add(page.pace).Sub(now)
		switch {
		case page.told == w.news:
		case wait <= 0:
			page.told, page.last = w.news, now
			ready = append(ready, s)
		case next == 0 || wait < next:
			next = wait
		}
	}
	if next > 0 {
		w.schedule(next)
	}
	return ready
}

// spreadOf is over how many milliseconds so many pages beat.
func spreadOf(pages int) int { return min(max(0, pages-manyWatchers)*10, 1000) }
