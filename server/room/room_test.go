package room

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestPendingFolds checks what the changes of one client id become in a frame.
func TestPendingFolds(t *testing.T) {
	for _, c := range []struct {
		changes []presence.Kind
		want    presence.Kind
	}{
		{[]presence.Kind{presence.Joined, presence.Updated}, presence.Joined},
		{[]presence.Kind{presence.Joined, presence.Seen}, presence.Joined},
		{[]presence.Kind{presence.Joined, presence.Left}, presence.Left},
		{[]presence.Kind{presence.Joined, presence.Left, presence.Joined}, presence.Joined},
		{[]presence.Kind{presence.Updated, presence.Seen}, presence.Updated},
		{[]presence.Kind{presence.Updated, presence.Left}, presence.Left},
		{[]presence.Kind{presence.Seen, presence.Updated}, presence.Updated},
		{[]presence.Kind{presence.Seen, presence.Left}, presence.Left},
		{[]presence.Kind{presence.Left, presence.Joined}, presence.Updated},
		{[]presence.Kind{presence.Left, presence.Joined, presence.Left}, presence.Left},
	} {
		t.Run(fmt.Sprint(c.changes), func(t *testing.T) {
			p := newPending(presence.Change{Kind: c.changes[0]})
			for _, kind := range c.changes[1:] {
				p = p.fold(presence.Change{Kind: kind, Entry: presence.Entry{DisplayName: "new"}})
			}
			if p.kind != c.want || p.entry.DisplayName != "new" {
				t.Errorf("%v of %q, want %v", p.kind, p.entry.DisplayName, c.want)
			}
		})
	}
}

// TestInterval checks that changes are gathered longer in a room that more pages hear, and that
// the number of pending changes is limited.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		pages int
		kind  presence.Kind
		wait  time.Duration
	}{
		{1, presence.Joined, 250 * time.Millisecond},
		{1000, presence.Left, 250 * time.Millisecond},
		{4000, presence.Updated, time.Second},
		{200_000, presence.Joined, 10 * time.Second},
		{1, presence.Seen, 10 * time.Second},
	} {
		r := &Room{listening: c.pages, lastSent: time.Now().Add(time.Hour)}
		for i := range maxChanges + 1 {
			if len(r.pending) != i || r.overflow {
				t.Errorf("after %d changes %d are pending", i, len(r.pending))
			}
			r.change(presence.Change{Kind: c.kind, Entry: presence.Entry{ClientID: strconv.Itoa(i)}})
		}
		if wait := r.due.Sub(r.lastSent); wait != c.wait {
			t.Errorf("%d pages hear %v after %v, want %v", c.pages, c.kind, wait, c.wait)
		}
		if len(r.pending) != 0 || !r.overflow {
			t.Errorf("%d changes are pending, and no snapshot", len(r.pending))
		}
		r.timer.Stop()
	}
}

// TestAlone checks that a page that is alone in a post's room is not told the dates of its own user.
func TestAlone(t *testing.T) {
	ada, second, grace := &page{user: 1}, &page{user: 1}, &page{user: 2}
	nobody := &page{}
	const post = "postType/post:1"
	for name, c := range map[string]struct {
		room   string
		hear   []Listener
		kind   presence.Kind
		user   int64
		idle   presence.Activity
		gather bool
	}{
		"her date":                  {post, []Listener{ada}, presence.Seen, 1, presence.Active, false},
		"her date while she idles":  {post, []Listener{ada}, presence.Seen, 1, presence.Idle, false},
		"a date that says all":      {post, []Listener{ada}, presence.Seen, 1, presence.Unreported, true},
		"somebody else's date":      {post, []Listener{ada}, presence.Seen, 2, presence.Active, true},
		"another change of her own": {post, []Listener{ada}, presence.Updated, 1, presence.Active, true},
		"she joins":                 {post, []Listener{ada}, presence.Joined, 1, presence.Active, true},
		"two pages":                 {post, []Listener{ada, grace}, presence.Seen, 1, presence.Active, true},
		"two pages of hers":         {post, []Listener{ada, second}, presence.Seen, 1, presence.Active, true},
		"the list of all people":    {wordpress.AdminRoom, []Listener{ada}, presence.Seen, 1, presence.Active, true},
		"an entry of a back end":    {post, []Listener{nobody}, presence.Seen, 0, presence.Active, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Room{name: c.room, lastSent: time.Now().Add(time.Hour)}
			for _, l := range c.hear {
				r.listeners.add(l)
			}
			r.count()
			r.change(presence.Change{Kind: c.kind, Entry: presence.Entry{ClientID: "user-1", UserID: c.user, Idle: c.idle}})
			if gathered := len(r.pending) == 1 && r.timer != nil; gathered != c.gather {
				t.Errorf("the change is gathered: %v, want %v", gathered, c.gather)
			}
			for _, l := range c.hear {
				r.leave(l)
			}
		})
	}
}

// TestAloneAgain checks that a page hears the dates of its own user while another page hears the room.
func TestAloneAgain(t *testing.T) {
	r := &Room{name: "postType/post:1", view: openView(t, nodetest.OpenBroker(t, broker.Config{}))}
	ada, grace := &page{user: 1}, &page{user: 2}
	hears := func() bool {
		r.lastSent = time.Now().Add(time.Hour)
		r.change(presence.Change{Kind: presence.Seen, Entry: presence.Entry{ClientID: "user-1", UserID: 1, Idle: presence.Active}})
		found := len(r.pending) > 0
		clear(r.pending)
		return found
	}
	r.join(ada)
	before := hears()
	r.join(grace)
	together := hears()
	r.leave(grace)
	if after := hears(); before || !together || after {
		t.Errorf("hears: %v alone, %v with another page, %v alone again", before, together, after)
	}
	r.leave(ada)
}

// TestUnheardRoomStops checks that a room that no page hears stops its timer and gathers no
// changes.
func TestUnheardRoomStops(t *testing.T) {
	r := &Room{listening: 1, lastSent: time.Now().Add(time.Hour)}
	joined := presence.Change{Kind: presence.Joined, Entry: presence.Entry{ClientID: "user-1"}}
	r.change(joined)
	if len(r.pending) != 1 || r.timer == nil {
		t.Fatalf("%d changes are pending, timer %v", len(r.pending), r.timer)
	}
	r.leave(new(page))
	r.change(joined)
	if len(r.pending) != 0 || r.timer.Stop() {
		t.Errorf("%d changes are pending, or the timer runs", len(r.pending))
	}
}

// TestMinor lets only changes wait that say where somebody is who is online, or that they
// became idle or active.
func TestMinor(t *testing.T) {
	for _, c := range []struct {
		room  string
		kinds []presence.Kind
		want  bool
	}{
		{wordpress.AdminRoom, []presence.Kind{presence.Seen, presence.Updated}, true},
		{wordpress.AdminRoom, []presence.Kind{presence.Updated, presence.Joined}, false},
		{wordpress.AdminRoom, []presence.Kind{presence.Updated, presence.Left}, false},
		{"postType/post:42", []presence.Kind{presence.Seen}, true},
		{"postType/post:42", []presence.Kind{presence.Updated}, false},
		{"a plugin's", []presence.Kind{presence.Updated}, false},
	} {
		r := &Room{name: c.room, listening: 1, lastSent: time.Now().Add(time.Hour)}
		p := new(page)
		r.listeners.add(p)
		for i, kind := range c.kinds {
			r.change(presence.Change{Kind: kind, Entry: presence.Entry{ClientID: strconv.Itoa(i)}})
		}
		r.timer.Stop()
		r.flush()
		if len(p.minor) != 1 || p.minor[0] != c.want {
			t.Errorf("%v in %s: minor %v, want %v", c.kinds, c.room, p.minor, c.want)
		}
	}
}

// TestRefill checks that pages that do not know all entries get a snapshot with the first change after
// a minute, and otherwise only the changes.
func TestRefill(t *testing.T) {
	b := nodetest.OpenBroker(t, broker.Config{})
	view := openView(t, b)
	for i := range presence.MaxListed + 1 {
		k := presence.Key{Site: "site", Room: "r", ClientID: strconv.Itoa(i), Conn: "a"}
		if err := b.Hold(k, presence.Stored{Entry: presence.Entry{Room: k.Room, ClientID: k.ClientID}}); err != nil {
			t.Fatal(err)
		}
	}
	r, p := &Room{name: "r", view: view}, new(reader)
	r.join(p)
	for _, c := range []struct {
		since    time.Duration // the last snapshot
		snapshot bool
	}{{refillEvery - 10*time.Second, false}, {refillEvery, true}, {0, false}, {refillEvery, true}} {
		r.refilled, r.lastSent = time.Now().Add(-c.since), time.Now().Add(time.Hour)
		r.change(presence.Change{Kind: presence.Updated, Entry: presence.Entry{Room: "r", ClientID: "1"}})
		r.timer.Stop()
		r.flush()
		if last := p.frames[len(p.frames)-1]; strings.Contains(last, `"snapshot"`) != c.snapshot {
			t.Errorf("%v after the last snapshot: %.80s", c.since, last)
		}
	}
	r.leave(p)
}

func openView(t *testing.T, b *broker.Broker) *broker.View {
	t.Helper()
	view, err := b.Watch("site", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	return view
}

// reader is a Listener that keeps its presence frames.
type reader struct {
	page
	frames []string
}

func (p *reader) Offer(_ *Room, frame []byte, _ bool) { p.frames = append(p.frames, string(frame)) }

// page is a Listener and a Viewer. It counts what it is sent, and notes which presence frames
// were minor. It is too slow for the first lists.
type page struct {
	user       int64
	sent, slow atomic.Int32
	minor      []bool
}

func (p *page) Offer(_ *Room, _ []byte, minor bool)     { p.minor = append(p.minor, minor) }
func (p *page) UserID() int64                           { return p.user }
func (p *page) TakesDates() bool                        { return true }
func (p *page) Deliver([]byte, topic.Cursor, time.Time) {}
func (p *page) Send([]byte)                             { p.sent.Add(1) }
func (p *page) ShowActivePosts(nudge []byte, _ ActiveLists) bool {
	if p.slow.Load() > 0 {
		p.slow.Add(-1)
		return false
	}
	p.Send(nudge)
	return true
}
