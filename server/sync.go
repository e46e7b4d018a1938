package server

import (
	"log/slog"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// syncNode returns what the synchronization with the table of the Presence API plugin
// needs of the node.
func syncNode(b *broker.Broker, l *sites, now func(siteID string) time.Time, w waker, log *slog.Logger) presencesync.Node {
	return presencesync.Node{
		Broker: b, Logger: log, Wake: w.c, View: l.view, Now: now,
		Sites: func(yield func(string, *presencesync.State) bool) {
			for _, st := range l.all() {
				if st.rooms.Len() > 0 && !yield(st.ID, &st.sync) {
					return
				}
			}
		},
		// While a secret is being replaced WordPress may have the old one only.
		Secret:     func(id string) string { secrets := l.get(id).now().Secrets; return secrets[len(secrets)-1] },
		CheckURL:   func(id, url string) error { return l.get(id).checkSyncURL(url) },
		Answered:   func(id, url string) { l.get(id).hosts.Answered(url) },
		PublicOnly: func(id, url string) bool { return l.get(id).publicOnly(url) },
	}
}

// checkSyncURL returns an error if a URL that a ticket names must not be called.
func (st *site) checkSyncURL(url string) error {
	return st.hosts.Check(url, st.called(), st.now().SyncAnywhere)
}

// publicOnly reports whether a URL must not lead to a private address.
func (st *site) publicOnly(url string) bool {
	now := st.now()
	return !now.Private && !now.SyncAnywhere && sitecall.ChoosesAddress(url, now.Upstream)
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
