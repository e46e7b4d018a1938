package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// watcher records what a page or an observer learns: the screen of each client id in each
// room.
type watcher struct {
	mu     sync.Mutex
	sees   map[string]int
	last   map[string]int // the newest screen that was seen
	strict bool           // no change is left out or repeated
	faults []string
}

func newWatcher(strict bool) *watcher {
	return &watcher{sees: map[string]int{}, last: map[string]int{}, strict: strict}
}

// change records one change, and checks that the number of the screen does not decrease.
func (e *watcher) change(kind, room, id string, data json.RawMessage) {
	who := room + " " + id
	_, known := e.sees[who]
	screen := screenOf(room, data)
	wrong := screen < e.last[who]
	if e.strict {
		wrong = wrong || known == (kind == "joined")
	}
	if wrong && len(e.faults) < 10 {
		e.faults = append(e.faults, fmt.Sprintf("%s %s on screen %d after %d, known: %v", who, kind, screen, e.last[who], known))
	}
	e.last[who] = max(e.last[who], screen)
	if kind == "left" {
		delete(e.sees, who)
	} else {
		e.sees[who] = screen
	}
}

// screenOf returns the number of an entry's screen, or 0 in the room of a post.
func screenOf(room string, data json.RawMessage) (n int) {
	var d struct{ Screen string }
	_ = json.Unmarshal(data, &d)
	if room == wordpress.AdminRoom {
		_, _ = fmt.Sscan(d.Screen, &n)
	}
	return n
}

// observe records a change that an observer on NATS reports.
func (e *watcher) observe(c presence.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.change(c.Kind.String(), c.Entry.Room, c.Entry.ClientID, c.Entry.Data)
}

// hear records the changes of a presence frame.
func (e *watcher) hear(b []byte) {
	type member struct {
		ID   string `json:"client_id"`
		Data json.RawMessage
	}
	var f struct {
		Room                            string
		Snapshot, Joined, Updated, Left []member
	}
	if json.Unmarshal(b, &f) != nil || f.Room == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.Snapshot != nil {
		maps.DeleteFunc(e.sees, func(who string, _ int) bool { return strings.HasPrefix(who, f.Room+" ") })
	}
	for _, part := range []struct {
		kind string
		of   []member
	}{{"snapshot", f.Snapshot}, {"joined", f.Joined}, {"updated", f.Updated}, {"left", f.Left}} {
		for _, m := range part.of {
			e.change(part.kind, f.Room, m.ID, m.Data)
		}
	}
}

func (e *watcher) seen() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.sees)
}

// TestRandomSteps has people on all transports join, move, crash, return and leave at random. A
// page on each transport and an observer on NATS must see the same state after each round, and
// changes in order. With HEARTBEAT_SEED, 200 people take more than 10,000 steps.
func TestRandomSteps(t *testing.T) {
	const rounds = 3
	people, steps, seed := 60, 10, uint64(1)
	if text := os.Getenv("HEARTBEAT_SEED"); text != "" {
		people, steps, seed = 200, 20, must(strconv.ParseUint(text, 10, 64))
	}
	n := newNodeOn(t, broker.Config{
		TTL: 8 * time.Second, Listen: "127.0.0.1:0", Observers: []broker.Login{{User: "observer", Password: "p", Site: demoSite}},
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: people}}
	t.Cleanup(client.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stored := &storedKeys{keys: map[string]map[string]bool{}}
	watching := watchAll(ctx, t, n, client, stored)

	var walkers []*walker
	for i := range people {
		kind := []string{"websocket", "websocket", "longpoll", "longpoll", "post"}[i%5]
		walkers = append(walkers, must(newWalker(n, client, 1000+i, kind)))
		walkers[i].stored, walkers[i].random = stored, mathrand.New(mathrand.NewPCG(seed, uint64(1000+i)))
	}
	for round := range rounds {
		began := time.Now()
		group := new(errgroup.Group)
		group.SetLimit(32)
		for _, w := range walkers {
			group.Go(func() error {
				for range steps {
					if err := w.turn(ctx); err != nil {
						return fmt.Errorf("user %d over %s: %w", w.user, w.transport, err)
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		walked := time.Since(began)
		agree(t, round, walkers, watching)
		t.Logf("round %d took %v, and all watchers agreed %v later", round, walked.Round(time.Millisecond), (time.Since(began) - walked).Round(time.Millisecond))
	}
	outcomes := map[string]int{}
	for _, w := range walkers {
		for what, n := range w.outcomes {
			outcomes[what] += n
		}
		if w.link != nil {
			w.link.cut()
		}
	}
	t.Logf("%v", outcomes)
	if happened := outcomes["moves"] + outcomes["leaves"] + outcomes["vanishes"] + outcomes["returns"]; happened < people*rounds*steps*5/6 {
		t.Errorf("%d steps of %d", happened, people*rounds*steps)
	}
	for name, e := range watching {
		e.mu.Lock()
		for _, fault := range e.faults {
			t.Errorf("%s: %s", name, fault)
		}
		e.mu.Unlock()
	}
}

// watchAll starts an observer, and a page on a socket and on a long-poll.
func watchAll(ctx context.Context, t *testing.T, n *node, client *http.Client, stored *storedKeys) map[string]*watcher {
	t.Helper()
	watching := map[string]*watcher{"an observer": newWatcher(true), "a socket": newWatcher(false), "a poll": newWatcher(false)}
	nc := must(nats.Connect("nats://observer:p@"+n.broker.ListenAddr(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	must(nc.Subscribe("presence."+demoSite+".>", stored.update))
	observed := make(chan error)
	observing, stop := context.WithCancel(ctx)
	go func() {
		observed <- bucket.Observe(observing, nc, bucket.Observer{Site: demoSite, OnChange: watching["an observer"].observe, TTL: time.Minute})
	}()
	hello := func(user int) string {
		w := must(newWalker(n, client, user, ""))
		return fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"watching-%d"}`, w.ticket, user)
	}
	socket := must(openSocket(ctx, n.url, hello(1), watching["a socket"].hear))
	poll := must(openPoll(ctx, client, n.url, hello(2), watching["a poll"].hear))
	t.Cleanup(func() {
		stop()
		if err := <-observed; !errors.Is(err, context.Canceled) {
			t.Errorf("Observe returned %v", err)
		}
		nc.Close()
		socket.cut()
		poll.cut()
	})
	until(t, "the observer's first change", func() bool {
		n.enter("a room", 3, "x")
		e := watching["an observer"]
		e.mu.Lock()
		defer e.mu.Unlock()
		_, heard := e.last["a room user-3"]
		return heard
	})
	n.exit("a room", 3)
	return watching
}

// agree waits until all watchers see the walkers that are present. It takes up to the grace
// period, or the TTL, of those that have vanished.
func agree(t *testing.T, round int, walkers []*walker, watching map[string]*watcher) {
	t.Helper()
	want := map[string]int{}
	for _, w := range walkers {
		if w.here {
			want[fmt.Sprintf("%s user-%d", wordpress.AdminRoom, w.user)] = w.screen
			if w.editing {
				want[fmt.Sprintf("%s editor-%d", walkersRoom, w.user)] = 0
			}
		}
	}
	deadline := time.Now().Add(time.Minute)
	beat := time.Now()
	for name, e := range watching {
		for !maps.Equal(e.seen(), want) {
			if time.Now().After(deadline) {
				t.Fatalf("after round %d %s sees\n%s", round, name, difference(e.seen(), want))
			}
			if time.Since(beat) > time.Second { // pages without a link renew their entries by beats
				beat = time.Now()
				for _, w := range walkers {
					if w.here && w.transport == "post" && w.beat() != nil {
						t.Fatalf("a beat of user %d was not answered", w.user)
					}
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func difference(got, want map[string]int) string {
	var lines []string
	for who, screen := range got {
		if at, present := want[who]; !present || at != screen {
			lines = append(lines, fmt.Sprintf("%s on %d, want %d (present: %v)", who, screen, at, present))
		}
	}
	for who := range want {
		if _, seen := got[who]; !seen {
			lines = append(lines, who+" is missing")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
