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

// Three nodes write at random, some keys each its own and some all of them,
// while connections close and the bucket is deleted. When it is quiet again,
// all views agree with each other, with a view that was just opened, with
// what was told, and with what each node said last of its own keys.
func TestNodesAgree(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	const nodes, steps = 3, 600
	config := Config{URL: s.url(), TTL: 10 * time.Second}
	var brokers [nodes]*Broker
	var views [nodes]*View
	var told [nodes]*diary
	for n := range nodes {
		brokers[n] = open(t, config)
		views[n], told[n] = watch(t, brokers[n], "site")
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
					settled(t, b)
				}
			}
		})
	}
	wg.Wait()
	for _, b := range brokers {
		settled(t, b)
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
	eventually(t, "agreement", func() bool {
		return seen(views[0]) == seen(fresh) && seen(views[1]) == seen(fresh) && seen(views[2]) == seen(fresh)
	})
	there := fresh.Keys(presence.Filter{})
	for n, d := range told {
		shown := map[string]presence.Entry{}
		for _, c := range d.all() {
			replay(t, shown, c)
		}
		if got, want := listed(shown), seen(views[n]); got != want {
			t.Errorf("node %d was told %s\nand shows %s", n, got, want)
		}
		for k, here := range own[n] {
			if found := slices.Contains(there, k); found != here {
				t.Errorf("%s of node %d is there: %v, want %v", k, n, found, here)
			}
		}
	}
	if !strings.Contains(seen(fresh), "u1") {
		t.Errorf("agreed on: %s", seen(fresh))
	}
}

// replay follows a change, and fails when it cannot have happened.
func replay(t *testing.T, shown map[string]presence.Entry, c presence.Change) {
	t.Helper()
	id := c.Entry.Room + " " + c.Entry.ClientID
	if _, there := shown[id]; there == (c.Kind == presence.Joined) {
		t.Errorf("%v %s, but there: %v", c.Kind, id, there)
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
