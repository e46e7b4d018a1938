package budget

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// usedBy returns how much of a budget a site uses.
func usedBy(b *Budget, site string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(time.Now())
	return b.of[site]
}

// TestShares has sites take as much as they get. Something is left for one more site.
func TestShares(t *testing.T) {
	for busy, most := range map[int]int64{1: 100_000, 2: 52_942, 99: 1136} {
		refused := map[string]int{}
		n := NewNode(time.Minute, func(*Error) {})
		n.Share(func(site string) string { return site }, 100, func(err *Error) { refused[err.Site]++ })
		b := n.Entries
		for more := true; more; { // in turn
			more = false
			for i := range busy {
				err := b.Take(fmt.Sprint("busy", i), 1)
				n.Report(err)
				more = err == nil || more
			}
		}
		for i := range busy {
			if used := usedBy(b, fmt.Sprint("busy", i)); used > most || used < most-10 {
				t.Errorf("%d sites: one has %d, want about %d", busy, used, most)
			}
		}
		if len(refused) != busy {
			t.Errorf("%d sites were refused something, want %d", len(refused), busy)
		}
		for i := range 100 {
			if err := b.Take("quiet", 1); err != nil {
				t.Fatalf("%d sites: entry %d of a quiet site: %v", busy, i, err)
			}
		}
	}
}

// TestSharesOfLaterSites has sites take as much as they get, one after another, and keep it. Each of
// them gets its part, and all together no more than NATS stores.
func TestSharesOfLaterSites(t *testing.T) {
	const sites, part = 100, 14_000 / 100
	n := NewNode(time.Minute, func(*Error) {})
	n.Share(func(site string) string { return site }, sites, func(*Error) {})
	b, all := n.Entries, int64(0)
	for i := range sites {
		site := fmt.Sprint("site-", i)
		for b.Take(site, 1) == nil {
			all++
		}
		if b.of[site] < part {
			t.Errorf("site %d got %d entries, want at least %d", i, b.of[site], part)
		}
	}
	if all > b.max+b.max/share {
		t.Errorf("all sites together got %d entries of %d", all, b.max)
	}
	for _, l := range []limits{pushes, revocations, deposits} {
		if most := l.max + l.max/share; most > StreamBytes {
			t.Errorf("all sites together may use %d %s, more than the %d of a stream", most, l.what, StreamBytes)
		}
	}
}

// TestNetworkShares checks that the sites of a network share what one site gets, and the error.
func TestNetworkShares(t *testing.T) {
	n := NewNode(time.Minute, func(*Error) {})
	n.Share(func(site string) string { return site[:1] }, 2, func(*Error) {})
	for i := range 100 {
		n.Pushes.Add(fmt.Sprint("a-", i), 32<<20/100)
	}
	var over *Error
	if err := n.Pushes.Take("a-777", 1000); !errors.As(err, &over) || over.Name != Pushes || over.Site != "a" {
		t.Errorf("one more site of the network: %v", err)
	}
	if err := n.Pushes.Take("b", 64<<10); err != nil {
		t.Errorf("another site: %v", err)
	}
}

// TestGiveLater checks that usage is given back when its time has passed, and that what is known
// of it is bounded.
func TestGiveLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewNode(time.Minute, func(*Error) {}).Pushes
		for range 1000 {
			b.Add("a", 10)
			b.GiveLater("a", 10, time.Now())
			time.Sleep(time.Second)
		}
		if used := usedBy(b, "a"); used < 1200 || used > 1500 || len(b.later) > slots+2 {
			t.Errorf("%d are used, in %d slots", used, len(b.later))
		}
		b.GiveLater("a", 0, time.Now().Add(time.Hour)) // by a clock that is ahead
		time.Sleep(PushAge + PushAge/slots)
		if used := usedBy(b, "a"); used != 0 || len(b.of) != 0 {
			t.Errorf("%d are used at the end", used)
		}
	})
}
