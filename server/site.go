package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/cron"
	"github.com/heartbeatd/heartbeatd/server/lockrenewal"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/phpbeats"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/settings"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
)

// Site is one WordPress site, as it is configured.
type Site = settings.Site

// watchLinger is how long a site without sessions is still watched: a page that beats by
// POST comes back within two minutes.
const watchLinger = 3 * time.Minute

// watchWait is the longest a beat waits for a site's first snapshot.
const watchWait = 2 * time.Second

// site is a Site that is served: its rooms are watched while somebody needs them.
type site struct {
	ID       string
	network  string                             // the id of its network's first site, or its own
	settings *atomic.Pointer[settings.Settings] // those of its network's first site
	broker   *broker.Broker
	log      *slog.Logger

	lastUsed  atomic.Int64  // Unix ns
	watchWait time.Duration // set by tests

	mu     sync.Mutex // guards the following fields
	view   *broker.View
	opened time.Time // when the view was opened
	closed bool
	turn   atomic.Uint64 // counts the views; changed under mu

	rooms   room.Rooms
	changes pushtransport.Changes // of the rooms of the Presence API plugin
	hosts   sitecall.Hosts
	sync    presencesync.State
	held    pushtransport.State
	locks   lockrenewal.State
	cron    cron.Cron
	puts    sync.Mutex // held while the API checks an entry and writes it

	phpBeats *phpbeats.Counter
}

// newSite returns a site with the settings of the first one of its network, or its own.
func newSite(id, network string, of *atomic.Pointer[settings.Settings], b *broker.Broker, log *slog.Logger) *site {
	return &site{ID: id, network: network, settings: of, broker: b, log: log, watchWait: watchWait, phpBeats: new(phpbeats.Counter)}
}

// now returns the settings that the site has now.
func (st *site) now() *settings.Settings { return st.settings.Load() }

// allows reports whether pages of a request's origin may open sessions of this site: those
// of the host that the request went to, and of the configured origins. A client other than
// a browser sends no origin.
func (st *site) allows(r *http.Request) bool {
	return origin.Same(r) || origin.In(r, st.now().Allowed)
}

// errSiteClosed is returned for a site that was closed because the node stops.
var errSiteClosed = errors.New("the node is stopping")

// open returns the live view of the site, and opens it if it is closed. It does not wait: a
// view that was just opened has the entries that this node wrote, and gets those of other
// nodes from NATS later. It fails only if the site or the broker is closed.
func (st *site) open() (*broker.View, error) {
	view, _, err := st.use()
	return view, err
}

// watch is open, and waits for the first snapshot of a new view until ctx ends, and at most
// for watchWait after the view was opened. It is called without locks.
func (st *site) watch(ctx context.Context) (*broker.View, error) {
	view, opened, err := st.use()
	if err != nil || view.Filled() {
		return view, err
	}
	ctx, cancel := context.WithDeadline(ctx, opened.Add(st.watchWait))
	defer cancel()
	view.Wait(ctx)
	return view, nil
}

func (st *site) use() (view *broker.View, opened time.Time, err error) {
	st.touch()
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.closed:
		return nil, opened, errSiteClosed
	case st.view == nil:
		turn := st.turn.Add(1)
		st.view, err = st.broker.Watch(st.ID, func(c presence.Change) {
			if st.turn.Load() == turn { // changes of a view that is being closed are ignored
				st.change(c)
			}
		})
		if err != nil {
			return nil, opened, err
		}
		st.opened = time.Now()
	}
	return st.view, st.opened, nil
}

// listeners returns the sessions that hear a room. Only sessions are listeners of this
// node's rooms: package room needs less of them.
func (st *site) listeners(name string) (list []*session) {
	for _, l := range st.rooms.Listeners(name) {
		list = append(list, l.(*session))
	}
	return list
}

// touch records that somebody asks for the site.
func (st *site) touch() { st.lastUsed.Store(time.Now().UnixNano()) }

// isIdle reports whether nobody has asked for the site for a while.
func (st *site) isIdle() bool {
	return time.Since(time.Unix(0, st.lastUsed.Load())) > watchLinger
}

// closeIfIdle closes the view of a site that nobody has used for a while.
func (st *site) closeIfIdle() {
	heard := st.rooms.Len() > 0
	st.mu.Lock()
	view := st.view
	if view == nil || heard || !st.isIdle() {
		st.mu.Unlock()
		return
	}
	st.view = nil
	st.turn.Add(1)
	st.mu.Unlock()
	view.Close()
}

// isUnused reports whether the site is not watched and was not asked for lately. It returns
// false rather than wait while the view is opened or closed.
func (st *site) isUnused() bool {
	if !st.isIdle() || !st.mu.TryLock() {
		return false
	}
	defer st.mu.Unlock()
	return st.view == nil
}

// close stops watching, for good.
func (st *site) close() {
	st.rooms.Notifier.Stop()
	st.changes.Stop()
	st.mu.Lock()
	view := st.view
	st.view, st.closed = nil, true
	st.mu.Unlock()
	if view != nil {
		view.Close()
	}
}

// change takes a change of the site's presence. It is called under the broker's and the
// view's lock.
func (st *site) change(c presence.Change) {
	st.sync.Change(c)
	st.rooms.Change(c)
}
