package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/presencesync"
)

// syncNode returns what the synchronization with the table of the Presence API plugin
// needs of the node.
func syncNode(b *broker.Broker, l *sites, w waker, log *slog.Logger) presencesync.Node {
	return presencesync.Node{
		Broker: b, Logger: log, Wake: w.c, View: l.view,
		Sites: func(yield func(string, *presencesync.State) bool) {
			for _, st := range l.all() {
				if st.rooms.Len() > 0 && !yield(st.ID, &st.sync) {
					return
				}
			}
		},
		// While a secret is being replaced WordPress may have the old one only.
		Secret:   func(id string) string { secrets := l.get(id).Secrets; return secrets[len(secrets)-1] },
		CheckURL: func(id, url string) error { return l.get(id).checkSyncURL(url) },
	}
}

// checkSyncURL returns an error if a URL that a ticket names must not be called: if the
// hosts of the site are known, it must be on one of them.
func (st *site) checkSyncURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("invalid claim sync: not a URL")
	}
	called, err := origin.Of(u)
	if err != nil {
		return fmt.Errorf("invalid claim sync: %w", err)
	}
	if st.SyncAnywhere {
		return nil
	}
	sameHost := func(known origin.Origin) bool { return known.Host() == called.Host() }
	upstream, err := origin.Parse(st.Upstream)
	if err == nil && sameHost(upstream) || slices.ContainsFunc(st.origins, sameHost) {
		return nil
	}
	return fmt.Errorf("invalid claim sync: the host %s is neither the site's upstream nor one of its origins", called.Host())
}
