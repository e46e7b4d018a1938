package deposit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/message"
)

const site = "blog"

var start = time.Unix(1_700_000_000, 0)

// put deposits a value for a minute.
func put(s *Store, to message.Target, handle, value string) bool {
	return s.Put(site, deposit1(to, handle, value), start)
}

func deposit1(to message.Target, handle, value string) message.Deposit {
	return message.Deposit{To: to, Handle: handle, Value: []byte(value), UntilMS: start.Add(time.Minute).UnixMilli()}
}

// TestPrecedence checks that Find prefers the value for the user, then for a room, a
// capability, everyone, and of several rooms the newest.
func TestPrecedence(t *testing.T) {
	var s Store
	page := Page{User: 7, Rooms: []string{"admin/online", "shop/orders"}, Can: []string{"edit_posts"}}
	want := func(value string) {
		t.Helper()
		got, found := s.Find(site, "x", page, start)
		if string(got) != value || found != (value != "") {
			t.Errorf("found %q, want %q", got, value)
		}
	}
	put(&s, message.Target{User: 8}, "x", `"another user"`)
	put(&s, message.Target{Room: "shop/secret"}, "x", `"another room"`)
	put(&s, message.Target{Can: "manage_options"}, "x", `"another capability"`)
	put(&s, message.Target{All: true}, "y", `"another handle"`)
	s.Put("other", deposit1(message.Target{All: true}, "x", `"another site"`), start)
	want("")
	for _, d := range []struct {
		to    message.Target
		value string
	}{
		{message.Target{All: true}, `"all"`},
		{message.Target{Can: "edit_posts"}, `"can"`},
		{message.Target{Room: "shop/orders"}, `"orders"`},
		{message.Target{Room: "admin/online"}, `"online"`},
		{message.Target{User: 7}, `"user"`},
	} {
		put(&s, d.to, "x", d.value)
		want(d.value)
	}
	put(&s, message.Target{User: 7}, "x", `null`)
	want(`"online"`)
	put(&s, message.Target{Room: "shop/orders"}, "x", `"newer"`)
	want(`"newer"`)
	if got := s.Handles(site, page, start); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("handles %v", got)
	}
	if got := s.Handles(site, Page{User: 9}, start); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("handles of a page without rooms and capabilities: %v", got)
	}
}

// TestExpiry checks that a value is found until it expires, and that Put reports what pages must
// be told.
func TestExpiry(t *testing.T) {
	var s Store
	all := message.Target{All: true}
	if !put(&s, all, "x", `1`) {
		t.Error("Put reports no change for a new deposit")
	}
	later := deposit1(all, "x", `1`)
	later.UntilMS += 60_000
	if s.Put(site, later, start) {
		t.Error("Put reports a change for the same value with a later end")
	}
	if _, found := s.Find(site, "x", Page{}, start.Add(2*time.Minute-time.Millisecond)); !found {
		t.Error("the time was not extended")
	}
	end := start.Add(2 * time.Minute)
	if _, found := s.Find(site, "x", Page{}, end); found || len(s.Handles(site, Page{}, end)) > 0 || len(s.All(end)) > 0 {
		t.Error("the value is found after it has expired")
	}
	s.Sweep(end)
	if s.Has(site) || s.bytes != 0 {
		t.Errorf("after the end: %v, %d bytes", s.sites, s.bytes)
	}
	if put(&s, all, "x", `null`) {
		t.Error("Put reports a change for the withdrawal of no deposit")
	}
	if put(&s, all, "x", `2`); !put(&s, all, "x", `null`) || s.Has(site) {
		t.Error("a deposit was not withdrawn")
	}
}

// TestBounds checks each limit of a site, and that expired deposits do not count.
func TestBounds(t *testing.T) {
	value := `"` + strings.Repeat("x", message.MaxValue-2) + `"`
	for name, c := range map[string]struct {
		next func(i int) message.Deposit
		most int
	}{
		"deposits": {func(i int) message.Deposit { return deposit1(message.Target{User: int64(i + 1)}, "x", `1`) }, maxDeposits},
		"handles":  {func(i int) message.Deposit { return deposit1(message.Target{All: true}, fmt.Sprint("h", i), `1`) }, maxHandles},
		"bytes":    {func(i int) message.Deposit { return deposit1(message.Target{User: int64(i + 1)}, "x", value) }, maxBytes / message.MaxValue},
	} {
		t.Run(name, func(t *testing.T) {
			var s Store
			for i := range c.most {
				d := c.next(i)
				if err := s.Check(site, d, start); err != nil || !s.Put(site, d, start) {
					t.Fatalf("deposit %d: %v", i, err)
				}
			}
			one := c.next(c.most)
			if s.Check(site, one, start) == nil || s.Put(site, one, start) || len(s.sites[site].all) != c.most {
				t.Errorf("one more was taken: %d", len(s.sites[site].all))
			}
			if last := c.next(c.most - 1); s.Check(site, last, start) != nil {
				t.Error("a new value in place of another is refused")
			}
			if s.Check("other", one, start) != nil {
				t.Error("another site is refused")
			}
			end := start.Add(time.Minute)
			one.UntilMS += 60_000
			if err := s.Check(site, one, end); err != nil || !s.Put(site, one, end) || len(s.sites[site].all) != 1 {
				t.Errorf("after the others have expired: %v", err)
			}
		})
	}
}

// TestTotal checks the limit of the bytes of all sites.
func TestTotal(t *testing.T) {
	var s Store
	value := `"` + strings.Repeat("x", message.MaxValue-2) + `"`
	taken := 0
	for i := 0; ; i++ {
		d := deposit1(message.Target{User: int64(i%100 + 1)}, "x", value)
		if !s.Put(fmt.Sprint("site-", i/100), d, start) {
			break
		}
		taken++
	}
	if taken != maxTotal/message.MaxValue || s.bytes > maxTotal {
		t.Errorf("%d deposits with %d bytes", taken, s.bytes)
	}
}
