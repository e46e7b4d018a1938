package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// eyes is what somebody who watches sees: of each client id in each room its
// screen.
type eyes struct {
	mu     sync.Mutex
	sees   map[string]int
	last   map[string]int // the newest screen that was seen
	strict bool           // every change comes, and each once
	faults []string
}

func newEyes(strict bool) *eyes {
	return &eyes{sees: map[string]int{}, last: map[string]int{}, strict: strict}
}

// change takes one change in order: screens only grow.
func (e *eyes) change(kind, room, id string, data json.RawMessage) {
	who := room + " " + id
	_, there := e.sees[who]
	screen := screenOf(room, data)
	wrong := screen < e.last[who]
	if e.strict {
		wrong = wrong || there == (kind == "joined")
	}
	if wrong && len(e.faults) < 10 {
		e.faults = append(e.faults, fmt.Sprintf("%s %s on screen %d after %d, there: %v", who, kind, screen, e.last[who], there))
	}
	e.last[who] = max(e.last[who], screen)
	if kind == "left" {
		delete(e.sees, who)
	} else {
		e.sees[who] = screen
	}
}

// screenOf is the number of an entry's screen; in a post's room there is none.
func screenOf(room string, data json.RawMessage) (n int) {
	var d struct{ Screen string }
	_ = json.Unmarshal(data, &d)
	if room == wordpress.AdminRoom {
		_, _ = fmt.Sscan(d.Screen, &n)
	}
	return n
}

// observe is what an observer on NATS sees.
func (e *eyes) observe(c presence.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.change(c.Kind.String(), c.Entry.Room, c.Entry.ClientID, c.Entry.Data)
}

// hear is what a browser makes of its frames.
func (e *eyes) hear(b []byte) {
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

func (e *eyes) seen() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.sees)
}

// TestTenThousandSteps has 200 people on all transports join, move, crash,
// return and leave at random. Whoever watches, a browser on each transport and
// an observer on NATS, sees what is: the same at every pause, and in order.
func TestTenThousandSteps(t *testing.T) {
	const people, rounds, steps = 200, 3, 20
	n := newNodeOn(t, broker.Config{
		TTL: 8 * time.Second, Listen: "127.0.0.1:0", Observers: []broker.Login{{User: "observer", Password: "p", Site: demoSite}},
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: people}}
	t.Cleanup(client.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tap := &wiretap{keys: map[string]map[string]bool{}}
	watching := watchAll(ctx, t, n, client, tap)

	var walkers []*walker
	for i := range people {
		kind := []string{"websocket", "websocket", "longpoll", "longpoll", "post"}[i%5]
		walkers = append(walkers, must(newWalker(n, client, 1000+i, kind)))
		walkers[i].wire = tap
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
		t.Logf("round %d: they walked %v, and were seen %v later", round, walked.Round(time.Millisecond), (time.Since(began) - walked).Round(time.Millisecond))
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
	if happened := outcomes["moves"] + outcomes["leaves"] + outcomes["vanishes"] + outcomes["returns"]; happened < 10_000 {
		t.Errorf("%d things happened", happened)
	}
	for name, e := range watching {
		e.mu.Lock()
		for _, fault := range e.faults {
			t.Errorf("%s: %s", name, fault)
		}
		e.mu.Unlock()
	}
}

// watchAll are an observer, and a browser on each transport that has one.
func watchAll(ctx context.Context, t *testing.T, n *node, client *http.Client, tap *wiretap) map[string]*eyes {
	t.Helper()
	watching := map[string]*eyes{"an observer": newEyes(true), "a socket": newEyes(false), "a poll": newEyes(false)}
	nc := must(nats.Connect("nats://observer:p@"+n.broker.ListenAddr(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	must(nc.Subscribe("presence."+demoSite+".>", tap.hear))
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
			t.Errorf("the observer ended: %v", err)
		}
		nc.Close()
		socket.cut()
		poll.cut()
	})
	until(t, "the observer is there", func() bool {
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

// agree waits until everybody sees who is there, which takes as long as whoever
// vanished is still in their grace, or their TTL.
func agree(t *testing.T, round int, walkers []*walker, watching map[string]*eyes) {
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
			if time.Since(beat) > time.Second { // a page without a link lives by its beats
				beat = time.Now()
				for _, w := range walkers {
					if w.here && w.transport == "post" && w.beat() != nil {
						t.Fatalf("user %d is not answered", w.user)
					}
				}
			}
			time.Sleep(20 * time.Millisecond) // a poll's pause
		}
	}
}

func difference(got, want map[string]int) string {
	var lines []string
	for who, screen := range got {
		if at, there := want[who]; !there || at != screen {
			lines = append(lines, fmt.Sprintf("%s on %d, want %d (%v)", who, screen, at, there))
		}
	}
	for who := range want {
		if _, there := got[who]; !there {
			lines = append(lines, "not "+who)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
