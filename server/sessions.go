package server

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/sessionindex"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// sessions are those of one node.
type sessions struct {
	closed chan struct{}        // closed when no page may come
	retry  func() time.Duration // after what time a page that comes then tries again

	mu       sync.Mutex // guards the following fields
	byKey    map[sessionKey]*session
	byUser   sessionindex.Index[*session]
	draining bool // no page may come
}

func newSessions() *sessions {
	return &sessions{closed: make(chan struct{}), byKey: make(map[sessionKey]*session), byUser: make(sessionindex.Index[*session])}
}

// find returns the session of a page, or nil.
func (l *sessions) find(key sessionKey) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byKey[key]
}

// enter returns the session of a key, locked, and makes it if there is none.
func (l *sessions) enter(of *shared, st *site, key sessionKey, claims *ticket.Claims) (s *session, resumed bool, err error) {
	budgets := of.broker.Budgets()
	for {
		l.mu.Lock()
		limits := of.clients.Max() // read with the lock: a reload changes it, and then those of the sessions in l
		s, found := l.byKey[key]
		if err := l.reserve(budgets.Sessions, key, found, limits.MaxUserPages); err != nil {
			l.mu.Unlock()
			budgets.Report(err)
			return nil, false, err
		}
		if !found {
			s = &session{
				shared: of, site: st, key: key, claims: claims, beats: limits.Beats(),
			}
			s.mu.Lock()
			s.timer = time.AfterFunc(of.grace, s.expire)
			l.add(s)
			l.mu.Unlock()
			return s, false, nil
		}
		l.mu.Unlock()
		s.mu.Lock()
		if !s.ended {
			return s, true, nil
		}
		s.mu.Unlock()
		l.forget(s) // it ended meanwhile: make another
	}
}

// add is called with l.mu held.
func (l *sessions) add(s *session) {
	l.byKey[s.key] = s
	l.byUser.Add(s.key.site, s.key.user, s)
}

// reserve takes one session from the budget, unless the page comes again. A user has at most
// maxOfUser sessions. It returns why the page cannot come; what the page is told names no site,
// since the budget is that of a network. It is called with l.mu held.
func (l *sessions) reserve(from *budget.Budget, key sessionKey, again bool, maxOfUser int) error {
	retry := 5*time.Second + rand.N(10*time.Second)
	switch {
	case l.draining:
		return refusal.GoingAway(l.retry())
	case again:
		return nil
	case len(l.byUser[key.site][key.user]) >= maxOfUser:
		return refusal.NewLimit(key.site, "session limit of this user reached", retry, nil)
	}
	if over := from.Take(key.site, 1); over != nil {
		return refusal.NewLimit(key.site, "session limit of this site reached", retry, over)
	}
	return nil
}

// forget removes a session.
func (l *sessions) forget(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[s.key] != s {
		return
	}
	delete(l.byKey, s.key)
	s.broker.Budgets().Sessions.Give(s.key.site, 1)
	l.byUser.Remove(s.key.site, s.key.user, s)
}

// close takes no more pages, and returns the sessions that there are.
func (l *sessions) close() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining {
		l.draining = true
		close(l.closed)
	}
	return slices.Collect(maps.Values(l.byKey))
}

// all returns the sessions of all sites.
func (l *sessions) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.byKey))
}

func (l *sessions) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// count returns the number of sessions: of a site, or of all if siteID is empty.
func (l *sessions) count(siteID string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if siteID == "" {
		return len(l.byKey)
	}
	return l.byUser.Count(siteID)
}

// sites returns the ids of the sites that have sessions.
func (l *sessions) sites() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make(map[string]bool)
	for id := range l.byUser {
		ids[id] = true
	}
	return ids
}

// ofUser returns the sessions of a user on the sites of a network, or of all users if user is 0.
func (l *sessions) ofUser(network string, user int64) (list []*session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.byUser {
		for s := range l.byUser.Of(id, user) {
			if s.site.network != network {
				break
			}
			list = append(list, s)
		}
	}
	return list
}

// appendTargets appends the sessions of a site that a target, other than a room, includes.
func (l *sessions) appendTargets(list []*session, siteID string, to message.Target) []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.byUser.Of(siteID, to.User) {
		if s.isTarget(to) {
			list = append(list, s)
		}
	}
	return list
}
