package balance

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
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

// TestRetryAlone checks that pages of a node without others come back when it has drained, and not
// before: it would refuse them.
func TestRetryAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 5 * time.Second
		few := &Balancer{Node: Node{Count: func() int { return 10 }}}
		few.Begin(d)
		if retry := few.Retry(); retry > 2*time.Second {
			t.Errorf("few pages, which leave at once, try again in %v", retry)
		}
		b := &Balancer{Node: Node{Count: func() int { return 1000 }}}
		b.Begin(d)
		for passed := time.Duration(0); passed <= d+time.Second; passed += time.Second {
			left := max(0, d-passed)
			for range 100 {
				if retry := b.Retry(); retry <= left || retry > left+d/2+time.Second+time.Millisecond {
					t.Fatalf("after %v pages try again in %v", passed, retry)
				}
			}
			time.Sleep(time.Second)
		}
	})
}
