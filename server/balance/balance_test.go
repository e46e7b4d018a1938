package balance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestTooMany checks when pages leave, and how many in five seconds.
func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		own    int
		others []int
		want   int
	}{
		{1000, nil, 0},              // the only node
		{386, []int{308, 92}, 19},   // 262 is the mean
		{308, []int{386, 92}, 0},    // below 1.2 times the mean
		{90, []int{0, 0}, 4},        // 60 above the mean
		{70, []int{0, 0}, 0},        // 47 above it
		{100_000, []int{0}, 5000},   // 1 % a second
		{1200, []int{1000}, 0},      // nearly equal
		{160, []int{60}, 8},         //
		{0, []int{500}, 0},          //
		{125, []int{1, 1, 1, 1}, 6}, //
	} {
		if got := tooMany(c.own, c.others); got != c.want {
			t.Errorf("%d pages here and %v elsewhere: %d leave, want %d", c.own, c.others, got, c.want)
		}
	}
}

// TestPeers checks which other nodes a node knows, and the bound.
func TestPeers(t *testing.T) {
	var p peers
	now := time.Now()
	hear := func(data string, at time.Time) { p.hear([]byte(data), "own", at) }
	for _, ignored := range []string{
		"", "{}", "[]", `{"node":"own","pages":3}`, `{"node":"a","pages":-1}`, `{"node":"` + strings.Repeat("a", maxName+1) + `","pages":1}`,
	} {
		hear(ignored, now)
	}
	if got := p.accepting(now); len(got) != 0 {
		t.Errorf("%v", got)
	}
	hear(`{"node":"a","pages":3}`, now)
	hear(`{"node":"b","pages":4,"draining":true}`, now)
	if got := fmt.Sprint(p.accepting(now)); got != "[3]" {
		t.Errorf("pages may go to %s", got)
	}
	hear(`{"node":"a","pages":5}`, now.Add(silence))
	if got := fmt.Sprint(p.accepting(now.Add(silence + time.Second))); got != "[5]" || len(p.known) != 1 {
		t.Errorf("pages may go to %s of %d nodes", got, len(p.known))
	}
	for i := range 2 * maxPeers {
		hear(fmt.Sprintf(`{"node":"n%d","pages":1}`, i), now)
	}
	if len(p.known) != maxPeers {
		t.Errorf("%d nodes are known", len(p.known))
	}
}

// leaver is a page that notes after what time it tries again.
type leaver struct {
	Page  // a node without others asks no page to move
	retry time.Duration
}

func (l *leaver) Connected() bool         { return l.retry == 0 }
func (l *leaver) Bye(retry time.Duration) { l.retry = retry }

// mover is a page that leaves a time after it was asked to move.
type mover struct {
	Page
	after time.Duration
	asked time.Time
}

func (m *mover) Connected() bool { return m.asked.IsZero() || time.Since(m.asked) < m.after }
func (m *mover) Move()           { m.asked = time.Now() }

// TestMovesAtOnce checks how long it takes to ask pages to move: few are on their way at once, but pages that do not
// leave hold up the others only so long that all are asked in time.
func TestMovesAtOnce(t *testing.T) {
	for _, c := range []struct {
		pages          int
		after, d, last time.Duration // when a page leaves; for how long pages are asked, and when the last one is
	}{
		{100, 0, 15 * time.Second, look},
		{100, time.Hour, 15 * time.Second, 720 * time.Millisecond},
		{1000, 100 * time.Millisecond, 15 * time.Second, 1900 * time.Millisecond},
		{1001, time.Hour, 15 * time.Second, 14400 * time.Millisecond},
		{1999, time.Hour, 15 * time.Second, 14400 * time.Millisecond},
		{1999, time.Hour, 3 * time.Second, 2400 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started, last := time.Now(), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.d)
				defer cancel()
				move := new(Balancer).mover(ctx, c.pages, patience(c.d))
				for range c.pages {
					p := &mover{after: c.after}
					if move(p); p.asked.IsZero() {
						t.Fatal("a page was not asked")
					}
					last = p.asked
				}
				if took := last.Sub(started); took < c.last || took > c.last+2*look {
					t.Errorf("the last page was asked after %v", took)
				}
				time.Sleep(c.d)
				p := new(mover)
				if move(p); !p.asked.IsZero() {
					t.Error("a page was asked too late")
				}
			})
		})
	}
}

// stayer is a page that ignores the request to move.
type stayer struct {
	Page
	asked, bye time.Time
}

func (s *stayer) Connected() bool   { return s.bye.IsZero() }
func (s *stayer) Move()             { s.asked = time.Now() }
func (s *stayer) Bye(time.Duration) { s.bye = time.Now() }

// TestDrainStayers checks that a node asks most pages to move and ends all connections in time, although none moves.
func TestDrainStayers(t *testing.T) {
	stayers, pages := make([]*stayer, 1000), make([]Page, 1000)
	for i := range pages {
		stayers[i] = new(stayer)
		pages[i] = stayers[i]
	}
	b := New(Node{
		Broker: nodetest.OpenBroker(t, broker.Config{TTL: time.Minute}),
		Count:  func() int { return len(pages) }, Pages: func() []Page { return pages },
	})
	b.peers.hear([]byte(`{"node":"another","pages":1}`), "own", time.Now())
	const d = 4 * time.Second
	began := time.Now()
	if left := b.Drain(t.Context(), d); left > 0 {
		t.Errorf("%d pages are left", left)
	}
	asked := 0
	for _, s := range stayers {
		if !s.asked.IsZero() {
			asked++
		}
		asked, bye := s.asked.Sub(began), s.bye.Sub(began)
		if asked > d*3/4+time.Second/2 || bye < d*3/4 || bye > d+time.Second {
			t.Fatalf("a page is asked to move after %v, and leaves after %v", asked, bye)
		}
	}
	if asked < len(stayers)/2 {
		t.Errorf("%d of %d pages were asked", asked, len(stayers))
	}
}

// TestDrainAlone checks that a node without others does not wait before it closes the connections of
// its pages, and that these come back at different times: the more pages there are, the later the last
// one, and none later than half a minute.
func TestDrainAlone(t *testing.T) {
	for count, last := range map[int]time.Duration{
		1: time.Second, 500: time.Second, 4000: 4500 * time.Millisecond, 50_000: 30 * time.Second,
	} {
		leavers, pages := make([]*leaver, count), make([]Page, count)
		for i := range pages {
			leavers[i] = new(leaver)
			pages[i] = leavers[i]
		}
		b := New(Node{
			Broker: nodetest.OpenBroker(t, broker.Config{TTL: time.Minute}),
			Count:  func() int { return count }, Pages: func() []Page { return pages },
		})
		b.Begin()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if left := b.Drain(ctx, time.Hour); left > 0 {
			t.Fatalf("%d of %d pages are left", left, count)
		}
		late := 0
		for _, l := range leavers {
			if l.retry < soon || l.retry > last {
				t.Errorf("one of %d pages tries again in %v", count, l.retry)
			}
			if l.retry > (soon+last)/2 {
				late++
			}
		}
		if count >= 500 && (late < count*4/10 || late > count*6/10) {
			t.Errorf("%d of %d pages try again in more than %v", late, count, (soon+last)/2)
		}
	}
}
