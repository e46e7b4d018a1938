package server

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestSitesOpenWhileNATSIsSlow checks that a node that has had its snapshot of all sites
// answers for sites that it has not opened yet, also while NATS does not answer.
func TestSitesOpenWhileNATSIsSlow(t *testing.T) {
	n, g := newGatedNode(t)
	view, err := n.sites.get(demoSite).open()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the snapshot", view.Filled)
	g.shut()
	defer g.open()
	for i := range 10 {
		p := n.memberPage(t, fmt.Sprintf("%s-%d", demoSite, 2+i), 7)
		p = p.nativePage(t, p.ticket)
		n.sites.get(fmt.Sprintf("%s-%d", demoSite, 2+i)).watchWait = time.Hour
		if r := p.post(t, p.pinging("a")); r.StatusCode != http.StatusOK {
			t.Errorf("site %d: %s", i, r.Status)
		}
	}
	n.sites.forgetIdle(n.sessions.sites())
	for _, st := range n.sites.all() {
		st.closeIfIdle()
	}
}

// TestClosedSite checks that a site that was closed says that the node is stopping.
func TestClosedSite(t *testing.T) {
	n := newNode(t)
	st := n.sites.get(demoSite)
	st.close()
	if _, err := st.watch(t.Context()); refusal.Stopping(err).Code != transport.CodeDraining {
		t.Errorf("watch after close: %v", err)
	}
}

func (st *site) isWatched() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.view != nil
}
