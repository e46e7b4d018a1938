package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// Beside the Presence API plugin, which keeps presence in a table, heartbeatd
// brings the live entries there, and takes back what PHP wrote. Here is when;
// synccall.go is what.

const (
	// syncEvery is how often, by one node of all.
	syncEvery = 20 * time.Second
	// syncWait is how long WordPress may take, and syncsAtOnce how many sites are
	// asked at a time.
	syncWait    = 5 * time.Second
	syncsAtOnce = 8
	// After failuresInRow failures a site is asked less and less often, until it
	// is once in longestRest.
	failuresInRow = 3
	longestRest   = 10 * time.Minute
	// maxSync is the most entries of a call, each way, and maxSyncBody its bytes.
	maxSync     = 2000
	maxSyncBody = 1 << 20
	// syncConn is the connection id of what PHP wrote.
	syncConn = "php"
)

// syncs is what a site's calls need. Its lock may be taken under the view's.
type syncs struct {
	mu       sync.Mutex // guards the following fields
	url      string     // empty: this site has no such table
	told     time.Time  // when the ticket was issued that said so
	busy     bool
	next     time.Time
	failures int
	left     map[seat]leaving // who left since the last call
}

// seat is an entry's place.
type seat struct{ room, clientID string }

type leaving struct {
	Room     string `json:"room"`
	ClientID string `json:"client_id"`
	at       time.Time
}

// tell takes what a ticket says about the table.
func (y *syncs) tell(c *ticket.Claims) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if !c.IssuedAt.Before(y.told) {
		y.told, y.url = c.IssuedAt.Time, c.Sync
	}
}

// change remembers who left. What does not fit expires in the table by itself.
func (y *syncs) change(c broker.Change) {
	y.mu.Lock()
	defer y.mu.Unlock()
	at := seat{c.Entry.Room, c.Entry.ClientID}
	switch {
	case c.Kind == broker.Joined:
		delete(y.left, at)
	case c.Kind == broker.Left && y.url != "" && len(y.left) < maxSync:
		if y.left == nil {
			y.left = make(map[seat]leaving)
		}
		y.left[at] = leaving{at.room, at.clientID, time.Now()}
	}
}

// begin says whether it is time for a call, and where to. Who left long ago
// another node has told of.
func (y *syncs) begin(now time.Time, every time.Duration) (to string, due bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	maps.DeleteFunc(y.left, func(_ seat, l leaving) bool { return now.Sub(l.at) > 3*every })
	if y.url == "" || y.busy || now.Before(y.next) {
		return "", false
	}
	y.busy = true
	return y.url, true
}

// end puts the next call off, the longer the more often it failed.
func (y *syncs) end(called bool, failed error, every time.Duration) (failures int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.busy = false
	switch {
	case failed != nil:
		y.failures++
	case called:
		y.failures = 0
	default: // another node's turn
		return y.failures
	}
	wait := every
	if rest := y.failures - failuresInRow; rest >= 0 {
		wait = min(every<<min(rest+1, 16), longestRest)
	}
	y.next = time.Now().Add(wait)
	return y.failures
}

// leavers are those that WordPress is to be told of.
func (y *syncs) leavers() []leaving {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.SortedFunc(maps.Values(y.left), func(a, b leaving) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.ClientID, b.ClientID))
	})
}

// toldOf forgets those that WordPress has heard of.
func (y *syncs) toldOf(list []leaving) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, l := range list {
		if at := (seat{l.Room, l.ClientID}); y.left[at].at.Equal(l.at) {
			delete(y.left, at)
		}
	}
}

// syncer calls the sites that have a table.
type syncer struct {
	server *Server
	every  time.Duration
	client *http.Client
}

func newSyncer(s *Server, every time.Duration) *syncer {
	return &syncer{server: s, every: every, client: &http.Client{
		Timeout:       syncWait,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a key must not follow it
	}}
}

// run looks now and then whose turn it is, until stop is closed.
func (y *syncer) run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	group := new(errgroup.Group)
	group.SetLimit(syncsAtOnce)
	tick := time.NewTicker(y.every / 8)
	defer func() {
		tick.Stop()
		cancel()
		_ = group.Wait()
		y.client.CloseIdleConnections()
	}()
	for {
		select {
		case now := <-tick.C:
			for _, st := range y.server.allSites() {
				if st.rooms.Len() == 0 {
					continue
				}
				if to, due := st.syncs.begin(now, y.every); due && !group.TryGo(func() error { y.sync(ctx, st, to); return nil }) {
					st.syncs.end(false, nil, y.every) // all hands are full: the next time
				}
			}
		case <-stop:
			return
		}
	}
}

// sync calls a site, if no other node has lately.
func (y *syncer) sync(ctx context.Context, st *site, to string) {
	var err error
	mine := false
	defer func() {
		failures := st.syncs.end(mine, err, y.every)
		switch {
		case err == nil || ctx.Err() != nil:
		case failures == 1 || failures == failuresInRow:
			y.server.log.Warn("the site's table of presence is not kept up to date", "site", st.ID, "failures", failures, "error", err)
		}
	}()
	if err = st.maySync(to); err != nil {
		return
	}
	if mine, err = y.server.broker.Lease(ctx, "sync."+st.ID, y.every); !mine {
		return
	}
	err = y.call(ctx, st, to)
}

// maySync says why an address is not called: where it is known which hosts are
// the site's, a ticket cannot name another.
func (st *site) maySync(to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return fmt.Errorf("the ticket's sync is no address")
	}
	target, err := originOf(u)
	if err != nil {
		return fmt.Errorf("the ticket's sync is no address: %v", err)
	}
	if st.SyncAnywhere {
		return nil
	}
	sameHost := func(known Origin) bool { return known.host == target.host }
	upstream, err := ParseOrigin(st.Upstream)
	if err == nil && sameHost(upstream) || slices.ContainsFunc(st.origins, sameHost) {
		return nil
	}
	return fmt.Errorf("the ticket's sync is at %s, which is neither the site's upstream nor one of its origins", target.host)
}
