package server

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/lockrenewal"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// syncNode returns what the synchronization with the table of the Presence API plugin
// needs of the node.
func syncNode(b *broker.Broker, l *sites, now func(siteID string) time.Time, w waker, log *slog.Logger) presencesync.Node {
	return presencesync.Node{
		Access: access(l, now), Broker: b, Logger: log, Wake: w.c, View: l.view,
		Sites: eachSite(l, func(st *site) (*presencesync.State, bool) { return &st.sync, st.rooms.Len() > 0 }),
	}
}

// eachSite returns the IDs of the sites of this node and what part returns of each, if it returns true.
func eachSite[T any](l *sites, part func(*site) (T, bool)) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, st := range l.all() {
			if of, ok := part(st); ok && !yield(st.ID, of) {
				return
			}
		}
	}
}

// access returns how sites are called.
func access(l *sites, now func(siteID string) time.Time) sitecall.Access {
	return sitecall.Access{
		Now: now,
		// While a secret is being replaced WordPress may have the old one only.
		Secret:   func(id string) string { secrets := l.get(id).now().Secrets; return secrets[len(secrets)-1] },
		CheckURL: func(id, url string) error { return l.get(id).checkSyncURL(url) },
		Answered: func(id, url string) { l.get(id).hosts.Answered(url) },
		PublicOnly: func(id, url string) bool {
			now := l.get(id).now()
			return !now.Private && !now.SyncAnywhere && sitecall.ChoosesAddress(url, now.Upstream)
		},
	}
}

// checkSyncURL returns an error if a URL that a ticket names must not be called.
func (st *site) checkSyncURL(url string) error {
	return st.hosts.Check(url, st.called(), st.now().SyncAnywhere)
}

// called returns the origins at which the site may be called.
func (st *site) called() []origin.Origin {
	now := st.now()
	if upstream, err := origin.Parse(now.Upstream); err == nil {
		return append(slices.Clip(now.Allowed), upstream)
	}
	return now.Allowed
}

// setCalls takes the URLs for calls that a ticket names, if they may be called.
func (st *site) setCalls(c *ticket.Claims) {
	if st.hosts.Allows("sync", c.Sync, st.called(), st.now().SyncAnywhere, st.ID, st.log) {
		st.sync.SetURL(c.Sync, c.IssuedAt.Time)
	}
	if st.hosts.Allows("rows", c.Rows, st.called(), st.now().SyncAnywhere, st.ID, st.log) {
		st.held.SetURL(c.Rows, c.IssuedAt.Time)
	}
}

// locksNode returns what the renewal of post locks needs of the node.
func locksNode(b *broker.Broker, l *sites, now func(siteID string) time.Time, log *slog.Logger) lockrenewal.Node {
	return lockrenewal.Node{
		Access: access(l, now), Logger: log,
		Sites:   eachSite(l, func(st *site) (*lockrenewal.State, bool) { return &st.locks, true }),
		Publish: func(ctx context.Context, id string, m message.Message) error { return publishCall(ctx, b, id, m) },
	}
}
