package page

import (
	"context"
	"net/http"
	"time"
)

// The times of client-js/src/transportselector.js and transporthistory.js, in other browsers than Firefox.
const (
	openTimeout  = 5 * time.Second
	tryAnyway    = 5 * time.Minute
	backOffStart = time.Second
	backOffMax   = 30 * time.Second
	proven       = 10 * time.Second
	maxFlaps     = 3
	failedWait   = time.Minute
	outageWait   = 5 * time.Second
	failedMax    = time.Hour
	refusedWait  = 5 * time.Minute
)

// selector keeps a link open over the best transport that works, as the drop-in's does. Only the
// page's goroutine uses it.
type selector struct {
	page      *Page
	order     []string
	round     int
	flaps     map[string]int
	known     map[string]bool // transports that have worked
	waits     map[string]time.Duration
	until     map[string]time.Time // when a transport that has failed may be tried again
	maybeDown bool
	lastTry   time.Time
	moving    bool          // a node has asked for a link to another one
	again     time.Duration // when a page that moves tries again, as the node that refused it said; 0 if none did
}

func newSelector(p *Page, order []string) *selector {
	return &selector{
		page: p, order: order, flaps: make(map[string]int), known: make(map[string]bool),
		waits: make(map[string]time.Duration), until: make(map[string]time.Time),
	}
}

// Delays after which nothing is tried: until there is a newer ticket, and for good.
const (
	noTicket = time.Duration(-1)
	blocked  = time.Duration(-2)
)

// run connects until ctx ends, or the page is blocked.
func (s *selector) run(ctx context.Context) {
	for delay := time.Duration(0); delay != blocked; delay = s.connect(ctx) {
		wait := time.After(delay)
		if delay == noTicket {
			wait = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-wait:
		case <-s.page.renewed:
			s.page.block(0)
			s.round = 0
		}
	}
}

// connect tries the transports, keeps the first that opens until it ends, and returns the delay
// before the next time.
func (s *selector) connect(ctx context.Context) time.Duration {
	if s.maybeDown && time.Since(s.lastTry) < tryAnyway && !s.isUp(ctx) {
		return s.backOff()
	}
	s.lastTry = time.Now()
	var failed []string
	for _, name := range s.usable(s.order) {
		l, why := s.attempt(ctx, name)
		if l != nil {
			for _, other := range failed {
				s.failed(other)
			}
			return s.keep(ctx, name, l)
		}
		if delay, handled := s.handle(why); handled {
			return delay
		}
		if why.code == codeOther {
			s.wait(name, refusedWait)
		} else {
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return s.nextTry(s.order)
	}
	s.maybeDown = true
	return s.backOff()
}

func (s *selector) usable(names []string) (list []string) {
	for _, name := range names {
		if !time.Now().Before(s.until[name]) {
			list = append(list, name)
		}
	}
	return list
}

// nextTry returns how long the first of the transports must wait.
func (s *selector) nextTry(names []string) time.Duration {
	next := time.Hour
	for _, name := range names {
		next = min(next, time.Until(s.until[name]))
	}
	return max(0, next) + s.page.jitter(backOffStart)
}

// attempt opens a transport.
func (s *selector) attempt(ctx context.Context, name string) (link, *ending) {
	l := s.page.newLink(ctx, name)
	late := time.AfterFunc(openTimeout, l.close)
	began := time.Now()
	why := l.open(s.page.hello())
	if !late.Stop() || why != nil {
		l.close()
		if why == nil {
			why = lost("it took too long")
		}
		s.page.notef("no %s after %v: %v", name, time.Since(began).Round(time.Millisecond), why)
		return nil, why
	}
	s.page.notef("%s is open after %v", name, time.Since(began).Round(time.Millisecond))
	s.maybeDown, s.moving, s.known[name] = false, false, true
	select {
	case <-s.page.moves: // of the link before
	default:
	}
	delete(s.waits, name)
	delete(s.until, name)
	s.page.linked(l)
	return l, nil
}

// keep waits until a link has ended, and tries better transports meanwhile, or the same one if the page is asked to move.
func (s *selector) keep(ctx context.Context, name string, l link) time.Duration {
	since := time.Now()
	for {
		better := s.order[:indexOf(s.order, name)]
		climb := time.NewTimer(s.nextTry(better))
		switch {
		case s.moving && s.again > 0:
			climb.Reset(s.again)
		case s.moving:
			climb.Reset(s.backOff())
		case len(better) == 0:
			climb.Stop()
		}
		select {
		case <-ctx.Done():
			climb.Stop()
			l.close()
			return 0
		case <-l.ended():
			climb.Stop()
			s.page.notef("the %s link has ended: %v", name, l.why())
			return s.down(name, l, l.why(), time.Since(since))
		case <-climb.C:
		case <-s.page.moves:
			climb.Stop()
			s.page.notef("asked to move")
			s.moving = true
		}
		if s.moving {
			better = s.order[:indexOf(s.order, name)+1]
		}
		to, found := s.climb(ctx, l, s.usable(better))
		if found != nil {
			l.close()
			name, l, since = to, found, time.Now()
		}
	}
}

// climb tries better transports while a link is open. If the page moves, those that do not open have not failed.
func (s *selector) climb(ctx context.Context, l link, names []string) (string, link) {
	s.again = 0
	for _, name := range names {
		if name == events && !s.page.testEvents(ctx) {
			s.climbFailed(name)
			continue
		}
		if found, why := s.attempt(ctx, name); found != nil {
			return name, found
		} else if why.retry > 0 {
			s.again, s.round = why.retry, 0
			break
		}
		s.climbFailed(name)
		if endOf(l) != nil {
			break
		}
	}
	return "", nil
}

func (s *selector) climbFailed(name string) {
	if !s.moving {
		s.failed(name)
	}
}

// endOf returns why a link has ended, nil if it is open.
func endOf(l link) *ending {
	select {
	case <-l.ended():
		return l.why()
	default:
		return nil
	}
}

// down handles the end of a link that has lasted for some time.
func (s *selector) down(name string, l link, why *ending, lasted time.Duration) time.Duration {
	s.page.unlinked(l)
	if lasted >= proven {
		s.round, s.flaps[name] = 0, 0
	}
	if delay, handled := s.handle(why); handled {
		return delay
	}
	if why.code == codeOther {
		s.wait(name, refusedWait)
		return 0
	}
	if lasted < proven {
		s.flaps[name]++
		if s.flaps[name]%maxFlaps == 0 && name != s.order[len(s.order)-1] {
			s.wait(name, failedWait)
		}
	}
	s.maybeDown, s.lastTry = true, time.Now()
	return s.backOff()
}

// handle handles the codes after which a transport has not failed.
func (s *selector) handle(why *ending) (delay time.Duration, handled bool) {
	switch {
	case why.code == codeTicket:
		s.page.block(why.code)
		return noTicket, true
	case why.code == codeLeft:
		s.page.block(why.code)
		return blocked, true
	case why.retry > 0:
		s.round = 0
		return why.retry, true
	}
	return 0, false
}

func (s *selector) failed(name string) {
	first := failedWait
	if s.known[name] {
		first = outageWait
	}
	if s.waits[name] > 0 {
		delete(s.known, name)
	}
	s.wait(name, first)
}

func (s *selector) wait(name string, first time.Duration) {
	s.waits[name] = min(failedMax, max(first, 2*s.waits[name]))
	s.until[name] = time.Now().Add(s.waits[name])
}

func (s *selector) backOff() time.Duration {
	most := min(backOffMax, backOffStart<<min(s.round, 10))
	s.round++
	return s.page.jitter(most)
}

// isUp reports whether a poll without a session is answered by heartbeatd.
func (s *selector) isUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://public/heartbeat/poll", nil)
	if err != nil {
		return false
	}
	answer, err := s.page.world.Client.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode < 500
}

func indexOf(list []string, name string) int {
	for i, n := range list {
		if n == name {
			return i
		}
	}
	return 0
}
