package deposit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
)

const site = "blog"

var start = time.Unix(1_700_000_000, 0)

// sequence numbers the messages of a stream.
var sequence uint64

// put deposits a value for a minute.
func put(s *Store, to message.Target, handle, value string) bool {
	return receive(s, deposit1(to, handle, value), start)
}

// receive puts a message that NATS has stored after those before it.
func receive(s *Store, d message.Deposit, now time.Time) bool {
	changed, _ := s.Put(next(site), d, now)
	return changed
}

func next(site string) broker.Message {
	sequence++
	return broker.Message{Site: site, Cursor: topic.Cursor{Epoch: "e", Seq: sequence}, Stored: start.Add(time.Duration(sequence))}
}

func deposit1(to message.Target, handle, value string) message.Deposit {
	return message.Deposit{To: to, Handle: handle, Value: []byte(value), UntilMS: start.Add(time.Minute).UnixMilli()}
}

// handles returns the handles that have a value for a page.
func handles(s *Store, p Page, now time.Time) []string { return Names(s.Held(site, p, now)) }

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
	s.Put(next("other"), deposit1(message.Target{All: true}, "x", `"another site"`), start)
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
	if got := handles(&s, page, start); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("handles %v", got)
	}
	if got := handles(&s, Page{User: 9}, start); !slices.Equal(got, []string{"x", "y"}) {
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
	if receive(&s, later, start) {
		t.Error("Put reports a change for the same value with a later end")
	}
	if _, found := s.Find(site, "x", Page{}, start.Add(2*time.Minute-time.Millisecond)); !found {
		t.Error("the time was not extended")
	}
	end := start.Add(2 * time.Minute)
	if _, found := s.Find(site, "x", Page{}, end); found || len(handles(&s, Page{}, end)) > 0 || len(s.Copies(false, end)) > 0 {
		t.Error("the value is found after it has expired")
	}
	s.Sweep(end)
	if s.Has(site) || s.bytes != 0 {
		t.Errorf("after the end: %v, %d bytes", s.sites, s.bytes)
	}
	if put(&s, all, "x", `null`) {
		t.Error("Put reports a change for the withdrawal of no deposit")
	}
	if put(&s, all, "x", `2`); !put(&s, all, "x", `null`) || handles(&s, Page{}, start) != nil {
		t.Error("a deposit was not withdrawn")
	}
}

// TestKeep checks until when NATS keeps a message: as long as a node may have what it replaces.
func TestKeep(t *testing.T) {
	var s Store
	admit := func(value string, ttl time.Duration) time.Duration {
		t.Helper()
		d := deposit1(message.Target{All: true}, "x", value)
		d.UntilMS = start.Add(ttl).UnixMilli()
		if err := s.Admit(site, &d, start); err != nil {
			t.Fatal(err)
		}
		receive(&s, d, start)
		return time.UnixMilli(d.KeepMS).Sub(start)
	}
	for _, step := range []struct {
		value     string
		ttl, keep time.Duration
	}{
		{`null`, 0, withdrawalTime}, // another node may just have received a deposit
		{`1`, time.Hour, time.Hour},
		{`2`, time.Second, time.Hour},
		{`null`, 0, time.Hour},
		{`null`, 0, time.Hour},
		{`3`, time.Minute, time.Hour},
		{`4`, 2 * time.Hour, 2 * time.Hour},
	} {
		if keep := admit(step.value, step.ttl); keep != step.keep {
			t.Errorf("%s for %v is kept for %v, want %v", step.value, step.ttl, keep, step.keep)
		}
	}
	if s.Sweep(start.Add(2 * time.Hour)); s.Has(site) || s.bytes != 0 {
		t.Errorf("after the end: %v, %d bytes", s.sites, s.bytes)
	}
}

// TestOutdated checks that what a node restores does not replace what is newer, and that
// Copies returns what is newer.
func TestOutdated(t *testing.T) {
	all := message.Target{All: true}
	for name, newer := range map[string]string{"deposit": `2`, "withdrawal": `null`} {
		t.Run(name, func(t *testing.T) {
			var behind, s Store
			first, second := next(site), next(site)
			behind.Put(first, deposit1(all, "x", `1`), start)
			s.Put(first, deposit1(all, "x", `1`), start)
			s.Put(second, deposit1(all, "x", newer), start)
			value, _ := s.Find(site, "x", Page{}, start)
			old := behind.Copies(false, start)[0].Message
			restored := next(site)
			if changed, outdated := s.Put(restored, old, start); changed || !outdated {
				t.Errorf("changed %v, outdated %v", changed, outdated)
			}
			if now, _ := s.Find(site, "x", Page{}, start); string(now) != string(value) {
				t.Errorf("%s was replaced by the older %s", value, now)
			}
			copies := s.Copies(true, start)
			if len(copies) != 1 || copies[0].Over != restored.Cursor.Seq || string(copies[0].Message.Value) != newer {
				t.Fatalf("copies %+v", copies)
			}
			for _, each := range []*Store{&behind, &s} {
				if _, outdated := each.Put(next(site), copies[0].Message, start); outdated || len(each.Copies(true, start)) > 0 {
					t.Error("the newer message is outdated")
				}
				if now, _ := each.Find(site, "x", Page{}, start); string(now) != string(value) {
					t.Errorf("found %s, want %s", now, value)
				}
			}
		})
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
			admit := func(d message.Deposit, now time.Time) error {
				err := s.Admit(site, &d, now)
				if receive(&s, d, now) != (err == nil) {
					t.Errorf("%v, but Put disagrees", err)
				}
				return err
			}
			for i := range c.most {
				if err := admit(c.next(i), start); err != nil {
					t.Fatalf("deposit %d: %v", i, err)
				}
			}
			one := c.next(c.most)
			if admit(one, start) == nil || s.sites[site].count != c.most {
				t.Errorf("one more was taken: %d", s.sites[site].count)
			}
			if last := c.next(c.most - 1); s.Admit(site, &last, start) != nil {
				t.Error("a new value in place of another is refused")
			}
			if s.Admit("other", &one, start) != nil {
				t.Error("another site is refused")
			}
			end := start.Add(time.Minute)
			one.UntilMS += 60_000
			if err := admit(one, end); err != nil || s.sites[site].count != 1 {
				t.Errorf("after the others have expired: %v", err)
			}
		})
	}
}

// TestWithdrawalsAreBounded checks that a site that withdraws its deposits cannot have any
// number of messages on NATS.
func TestWithdrawalsAreBounded(t *testing.T) {
	var s Store
	now := start
	taken := 0
	for ; ; taken++ {
		d := deposit1(message.Target{User: int64(taken + 1)}, "x", `1`)
		if s.Admit(site, &d, now) != nil {
			break
		}
		receive(&s, d, now)
		d.Value = []byte(`null`)
		if err := s.Admit(site, &d, now); err != nil {
			t.Fatalf("withdrawal %d: %v", taken, err)
		}
		receive(&s, d, now)
	}
	if own := s.sites[site]; taken != maxKeys || len(own.all) != maxKeys || own.count != 0 || own.bytes != 0 || s.bytes > maxKeys*2*overhead {
		t.Errorf("%d deposits, %d messages of %d bytes", taken, len(own.all), s.bytes)
	}
	d := deposit1(message.Target{All: true}, "x", `1`)
	if err := s.Admit(site, &d, start.Add(time.Minute)); err != nil {
		t.Errorf("after the others would have expired: %v", err)
	}
}

// TestTotal checks the limit of the bytes of all sites.
func TestTotal(t *testing.T) {
	var s Store
	value := `"` + strings.Repeat("x", message.MaxValue-2) + `"`
	taken := 0
	for i := 0; ; i++ {
		d := deposit1(message.Target{User: int64(i%100 + 1)}, "x", value)
		if changed, _ := s.Put(next(fmt.Sprint("site-", i/100)), d, start); !changed {
			break
		}
		taken++
	}
	if taken != maxTotal/(message.MaxValue+overhead+1) || s.bytes > maxTotal {
		t.Errorf("%d deposits with %d bytes", taken, s.bytes)
	}
}

// TestNewValueAtTheBudget checks that Put takes what Admit has accepted: a new value in place of
// another, of a site that has used up its budget.
func TestNewValueAtTheBudget(t *testing.T) {
	denied := 0
	s := Store{}
	s.Budget = budget.NewNode(time.Minute, func(*budget.Error) {
		denied++
		if !s.mu.TryLock() {
			t.Error("told while the lock is held")
			return
		}
		s.mu.Unlock()
	}).Deposits
	d := deposit1(message.Target{All: true}, "x", `1`)
	receive(&s, d, start)
	s.Budget.Add(site, 40<<20)
	s.Budget.Add("other", 14<<20)
	d.Value = []byte(`2`)
	if err := s.Admit(site, &d, start); err != nil {
		t.Fatal(err)
	}
	changed := receive(&s, d, start)
	if value, found := s.Find(site, "x", Page{}, start); !changed || !found || string(value) != `2` {
		t.Errorf("changed %v, found %s", changed, value)
	}
	another := deposit1(message.Target{All: true}, "y", `1`)
	if err := s.Admit(site, &another, start); !errors.As(err, new(*budget.Error)) || denied != 1 {
		t.Errorf("one more deposit: %v, denied %d times", err, denied)
	}
}

// TestOtherLimitsAreNoBudget checks that a deposit above another limit than the budget is not
// reported as one above the budget.
func TestOtherLimitsAreNoBudget(t *testing.T) {
	s := Store{Budget: budget.NewNode(time.Minute, func(err *budget.Error) { t.Error(err) }).Deposits}
	var err error
	for i := range maxHandles + 1 {
		d := deposit1(message.Target{All: true}, fmt.Sprint("h", i), `1`)
		if err = s.Admit(site, &d, start); err == nil {
			receive(&s, d, start)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "handles") || errors.As(err, new(*budget.Error)) {
		t.Errorf("one handle too many: %v", err)
	}
}
