package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestNodesAgree has three nodes that write at random, keys of their own and shared keys,
// while connections are closed and the bucket is deleted. Afterwards all views must agree
// with each other, with a new view, with the reported changes, and with the last write of
// each node to its own keys.
func TestNodesAgree(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	const nodes, steps = 3, 600
	config := Config{URL: s.url(), TTL: 10 * time.Second}
	var brokers [nodes]*Broker
	var views [nodes]*View
	var reported [nodes]*changeRecorder
	for n := range nodes {
		brokers[n] = open(t, config)
		views[n], reported[n] = watch(t, brokers[n], "site")
	}
	var own [nodes]map[presence.Key]bool
	var wg sync.WaitGroup
	for n, b := range brokers {
		own[n] = map[presence.Key]bool{}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			for i := range steps {
				k := page(fmt.Sprint("r", r.IntN(2)), fmt.Sprint("u", r.IntN(4)), fmt.Sprint("c", r.IntN(3)))
				shared := r.IntN(3) == 0
				if !shared {
					k.Conn = fmt.Sprint("own-", n, "-", k.Conn)
				}
				here := r.IntN(3) > 0
				if here {
					b.Hold(k, focused(at(i/11, fmt.Sprint(r.IntN(3))), int64(r.IntN(5))))
				} else {
					b.Leave(k)
				}
				if !shared {
					own[n][k] = here
				}
				switch {
				case i%250 == 249:
					nc(b).Close()
				case n == 0 && i == steps/2:
					deleteStream(t, s.url())
				case i%20 == 0:
					waitWritten(t, b)
				}
			}
		})
	}
	wg.Wait()
	for _, b := range brokers {
		waitWritten(t, b)
	}
	fresh, _ := watch(t, open(t, config), "site")
	seen := func(v *View) string {
		v.mu.Lock()
		defer v.mu.Unlock()
		shown := map[string]presence.Entry{}
		for _, e := range v.fold.Select("site", presence.Filter{}) {
			shown[e.Room+" "+e.ClientID] = *e
		}
		return listed(shown)
	}
	missed := func() string { return missedKeys(fresh, own[:]) }
	agree := func() bool {
		return seen(views[0]) == seen(fresh) && seen(views[1]) == seen(fresh) && seen(views[2]) == seen(fresh) && missed() == ""
	}
	for deadline := time.Now().Add(patience); !agree(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the views do not agree:\n%s\n%s\n%s\nthe new one: %s%s", seen(views[0]), seen(views[1]), seen(views[2]), seen(fresh), missed())
		}
	}
	for n, d := range reported {
		shown := map[string]presence.Entry{}
		for _, c := range d.all() {
			applyChange(t, shown, c)
		}
		if got, want := listed(shown), seen(views[n]); got != want {
			t.Errorf("changes of node %d lead to %s\nits view shows %s", n, got, want)
		}
	}
	if !strings.Contains(seen(fresh), "u1") {
		t.Errorf("no entry of u1 in the views: %s", seen(fresh))
	}
}

// missedKeys returns the keys of nodes that a view has and should not have, or the reverse. A node that has written its
// last key before the bucket is deleted writes it again when it notices that.
func missedKeys(v *View, own []map[presence.Key]bool) (text string) {
	keys := v.Keys(presence.Filter{})
	for n := range own {
		for k, here := range own[n] {
			if found := slices.Contains(keys, k); found != here {
				text += fmt.Sprintf("\n%s of node %d is in the new view: %v, want %v", k, n, found, here)
			}
		}
	}
	return text
}

// applyChange applies a change to shown, and fails if the change is impossible.
func applyChange(t *testing.T, shown map[string]presence.Entry, c presence.Change) {
	t.Helper()
	id := c.Entry.Room + " " + c.Entry.ClientID
	if _, known := shown[id]; known == (c.Kind == presence.Joined) {
		t.Errorf("%v %s, but the entry was shown before: %v", c.Kind, id, known)
	}
	if shown[id] = c.Entry; c.Kind == presence.Left {
		delete(shown, id)
	}
}

func listed(shown map[string]presence.Entry) string {
	var lines []string
	for _, e := range shown {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s", e.Room, e.ClientID, e.DateGMT, e.Idle, e.Data))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}
