// Package presencesync synchronizes presence with the table of the Presence API plugin.
// One node at a time calls each site that has the table: it sends the live entries, and
// receives the rows that PHP wrote.
package presencesync

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
)

const (
	// Interval is the time between the calls of a site, by whichever node.
	Interval = 20 * time.Second
	// soonEvery is the time between two calls of a site in which PHP changes rows all the time. A site
	// has quickCalls tokens: each call because of a change takes one, and one comes back after each
	// soonEvery. So the calls for the changes that one action of a user makes follow each other at once.
	soonEvery  = time.Second
	quickCalls = 3
	// retryWait is the time until NATS is asked again for a lease.
	retryWait = 10 * time.Second
	// timeout is how long WordPress may take, and maxCalls the maximum number of
	// concurrent calls.
	timeout  = 5 * time.Second
	maxCalls = 8
	// After failuresInRow failures the time between calls doubles with each failure,
	// up to maxPause.
	failuresInRow = 3
	maxPause      = 10 * time.Minute
	// maxEntries is the maximum number of entries of a call in each direction, and
	// maxBody the number of bytes.
	maxEntries = 2000
	maxBody    = 1 << 20
	// maxClosed is longer than the grace period of a page whose connection is lost.
	maxClosed = time.Minute
	// closedWait is the time from the removal of a row until the entry of its closed page is
	// removed, too. A user who goes to another page of the admin removes the row when the new
	// document begins, and is connected again when it has loaded: adminWait is the time for that.
	closedWait = 500 * time.Millisecond
	adminWait  = 4 * time.Second
	// conn is the connection ID of entries that PHP wrote.
	conn = "php"
)

// Node is the node that the synchronization runs on.
type Node struct {
	sitecall.Access
	Broker *broker.Broker
	Logger *slog.Logger
	// Wake receives a value when PHP has changed rows of a site.
	Wake <-chan struct{}
	// Sites returns the IDs and states of the sites that have pages on this node.
	Sites iter.Seq2[string, *State]
	// View returns the live view of a site.
	View func(ctx context.Context, siteID string) (*broker.View, error)
}

// syncer calls the sites that have a table.
type syncer struct {
	Node
	every  time.Duration
	client *http.Client
	again  chan struct{} // receives a value when PHP has changed rows during a call
}

func newSyncer(n Node, every time.Duration) *syncer {
	return &syncer{Node: n, every: every, again: make(chan struct{}, 1), client: &http.Client{
		Timeout:       timeout,
		Transport:     sitecall.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // keys are not sent to another server
	}}
}

// Run calls the sites, each once in every, until stop is closed.
func Run(n Node, every time.Duration, stop <-chan struct{}) { newSyncer(n, every).run(stop) }

func (y *syncer) run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	group := new(errgroup.Group)
	group.SetLimit(maxCalls)
	tick := time.NewTicker(y.every / 8)
	defer func() {
		tick.Stop()
		cancel()
		_ = group.Wait()
		y.client.CloseIdleConnections()
	}()
	for {
		select {
		case <-y.Wake:
		case <-y.again:
		case <-tick.C:
		case <-stop:
			return
		}
		for id, state := range y.Sites {
			if url, due := state.begin(time.Now(), y.every); due && !group.TryGo(func() error { y.sync(ctx, id, state, url); return nil }) {
				state.end(false, nil, y.every) // at the limit of calls; retried at the next tick
			}
		}
	}
}

// sync calls a site, unless another node has done so within the interval.
func (y *syncer) sync(ctx context.Context, siteID string, state *State, url string) {
	var err error
	mine := false
	defer func() {
		failures := state.end(mine, err, y.every)
		if state.isSoon() {
			select {
			case y.again <- struct{}{}:
			default:
			}
		}
		switch {
		case err == nil || ctx.Err() != nil:
		case failures == 1 || failures == failuresInRow:
			y.Logger.Warn("synchronization with the presence table failed", "site", siteID, "failures", failures, "error", err)
		}
	}()
	soon := state.takeSoon() // also if the call fails: it is then retried later
	if err = y.CheckURL(siteID, url); err != nil {
		return
	}
	if soon {
		mine, err = y.leaseSoon(ctx, siteID, state)
	} else {
		mine, err = y.Broker.Lease(ctx, "sync."+siteID, y.every)
	}
	if err != nil { // that is no failure of WordPress
		y.Logger.Debug("NATS cannot be asked for the lease of a synchronization", "site", siteID, "error", err)
		err = nil
		state.postpone(retryWait)
		return
	}
	if !mine {
		return
	}
	err = y.call(ctx, siteID, state, url)
}

// leaseSoon returns true if this node makes a call because PHP has changed rows, when the next call is
// allowed. If another node makes such calls, its last one may have missed the change: leaseSoon tries
// again when that node's lease is over.
func (y *syncer) leaseSoon(ctx context.Context, siteID string, state *State) (mine bool, err error) {
	if mine, err = y.lead(ctx, siteID, state); !mine && err == nil {
		state.tokens().ReserveN(time.Now(), int(state.tokens().Tokens())) // the other node has used them
		select {
		case <-time.After(soonEvery + soonEvery/10):
		case <-ctx.Done():
			return false, ctx.Err()
		}
		mine, err = y.lead(ctx, siteID, state)
	}
	if !mine || err != nil {
		return false, err
	}
	err = state.tokens().Wait(ctx)
	state.takeSoon() // the call sees these changes, too
	return err == nil, err
}

// lead returns true to one of all nodes for soonEvery.
func (y *syncer) lead(ctx context.Context, siteID string, state *State) (mine bool, err error) {
	now := time.Now()
	if state.leads(now) {
		return true, nil
	}
	if mine, err = y.Broker.Lease(ctx, "soon."+siteID, soonEvery); mine {
		state.lead(now.Add(soonEvery))
	}
	return mine, err
}
