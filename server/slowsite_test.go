package server

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// TestSlowSites checks that a site that is watched already answers while ten other sites of
// the network wait for NATS.
func TestSlowSites(t *testing.T) {
	for range 3 { // the broker may notice that NATS does not answer; then no site waits
		n, g := newGatedNode(t)
		early := n.answersBesideSlowSites(t, g)
		if n.broker.Ready() == nil {
			if early > 0 {
				t.Errorf("%d beats of waiting sites were answered first", early)
			}
			return
		}
	}
	t.Error("the broker was never ready until the end of the test")
}

// answersBesideSlowSites returns how many beats of waiting sites were answered before those
// of another site.
func (n *node) answersBesideSlowSites(t *testing.T, g *gate) (early int64) {
	member := func(i int) *page {
		p := n.memberPage(t, fmt.Sprintf("%s-%d", demoSite, i), 7)
		return p.nativePage(t, p.ticket)
	}
	warm := member(2)
	if r := warm.post(t, warm.pinging("a")); r.StatusCode != http.StatusOK {
		t.Fatalf("the first beat: %s", r.Status)
	}
	var answered atomic.Int64
	var work sync.WaitGroup
	defer work.Wait()
	g.shut()
	defer g.open() // runs before work.Wait
	const slow = 10
	var sites []*site
	for i := range slow {
		p := member(3 + i)
		st := n.sites.get(fmt.Sprintf("%s-%d", demoSite, 3+i))
		st.watchWait = time.Hour
		sites = append(sites, st)
		for range 2 { // the first opens the view, the second waits for it
			work.Go(func() {
				r := p.post(t, p.pinging("a"))
				answered.Add(1)
				if r.StatusCode != http.StatusOK {
					t.Errorf("a waiting site: %s", r.Status)
				}
			})
		}
	}
	until(t, "all beats wait", func() bool {
		return !slices.ContainsFunc(sites, func(st *site) bool { return !st.isWatched() })
	})
	if r := warm.post(t, warm.pinging("b")); r.StatusCode != http.StatusOK {
		t.Errorf("a beat of the other site: %s", r.Status)
	}
	n.sites.forgetIdle(n.sessions.sites())
	for _, st := range n.sites.all() {
		st.closeIfIdle()
	}
	if f := warm.socket(t).beat(1, warm.pinging("c")); f.Type != "tick" {
		t.Errorf("a page of the other site: %+v", f)
	}
	return answered.Load()
}

func (st *site) isWatched() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.view != nil
}

// TestStopWakesWaiters checks that close ends the wait for a first snapshot.
func TestStopWakesWaiters(t *testing.T) {
	n, g := newGatedNode(t)
	g.shut()
	defer g.open()
	st := n.sites.get(demoSite)
	st.watchWait = time.Hour
	done := make(chan error)
	go func() {
		_, err := st.watch(t.Context())
		done <- err
	}()
	until(t, "the wait", st.isWatched)
	st.close()
	<-done
	if _, err := st.watch(t.Context()); errStopping(err).Code != transport.CodeDraining {
		t.Errorf("watch after close: %v", err)
	}
}
