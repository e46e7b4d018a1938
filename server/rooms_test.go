package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// entry is somebody in a room, put there from elsewhere.
func (n *node) enter(room string, user int, screen string) {
	n.broker.Put(entryKey(room, user), presence.Stored{Entry: presence.Entry{
		Room: room, ClientID: fmt.Sprintf("user-%d", user), UserID: int64(user),
		DisplayName: fmt.Sprintf("User %d", user), Data: json.RawMessage(`{"screen":"` + screen + `"}`),
		DateGMT: time.Now().UTC().Format(wordpress.DateLayout),
	}})
}

func (n *node) exit(room string, user int) { n.broker.Leave(entryKey(room, user)) }

func entryKey(room string, user int) presence.Key {
	return presence.Key{Site: demoSite, Room: room, ClientID: fmt.Sprintf("user-%d", user), Conn: "elsewhere"}
}

// TestManyJoinOneRoom has a thousand people come at once: a page hears of all
// of them in a few frames, none of which lists more than 200.
func TestManyJoinOneRoom(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 1).socket(t)
	s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil })
	const people = 1000
	started := time.Now()
	for i := range people {
		n.enter(wordpress.AdminRoom, 100+i, "dashboard")
	}
	joined, frames := 0, 0
	for joined < people {
		f := s.presence(wordpress.AdminRoom, func(frame) bool { return true })
		joined += len(f.Joined)
		if f.Snapshot != nil {
			joined = f.Total
		}
		frames++
		if f.Updated != nil || f.Left != nil || len(f.Joined)+len(f.Snapshot) > 200 {
			t.Fatalf("among the joins came %d updates and %d leaves: %d joined, %d are listed", len(f.Updated), len(f.Left), len(f.Joined), len(f.Snapshot))
		}
	}
	if most := 2 + int(time.Since(started)/(250*time.Millisecond)); joined != people || frames > most {
		t.Errorf("%d joins came in %d frames, at most %d were allowed", joined, frames, most)
	}

	// Whoever comes now gets a cut snapshot and the total; so does a tick.
	p := n.page(t, 2)
	late := p.socket(t)
	if f := late.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil }); len(f.Snapshot) != 200 {
		t.Errorf("a snapshot of %d entries, want 200", len(f.Snapshot))
	}
	var tick struct {
		Online []any `json:"presence-online"`
		Total  int   `json:"presence-online-total"`
	}
	if err := json.Unmarshal([]byte(late.beat(1, p.pinging("dashboard")).Body), &tick); err != nil {
		t.Fatal(err)
	}
	if len(tick.Online) != 200 || tick.Total != people+1 {
		t.Errorf("a tick says %d of %d are online", len(tick.Online), tick.Total)
	}
}

// TestStorm has pages and people come to a large room at once, move and leave:
// whenever a page came, it sees in the end who is there.
func TestStorm(t *testing.T) {
	const people, pages = 140, 40
	n := newNode(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	want := map[string]int{}
	enter := func(user, screen int) {
		n.enter(wordpress.AdminRoom, user, strconv.Itoa(screen))
		want[fmt.Sprintf("%s user-%d", wordpress.AdminRoom, user)] = screen
	}
	for i := range people {
		enter(1000+i, 1)
	}
	var watching []*eyes
	for i := range pages {
		enter(2000+i, 1)
		enter(1000+i, 2)
		if i%4 == 0 {
			n.exit(wordpress.AdminRoom, 1100+i)
			delete(want, fmt.Sprintf("%s user-%d", wordpress.AdminRoom, 1100+i))
		}
		w := must(newWalker(n, client, 3000+i, "websocket"))
		e := newEyes(false)
		link := must(openSocket(t.Context(), n.url, fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"watching-%d"}`, w.ticket, i), e.hear))
		t.Cleanup(link.cut)
		watching = append(watching, e)
	}
	for i, e := range watching {
		until(t, fmt.Sprintf("page %d sees who is there", i), func() bool { return maps.Equal(e.seen(), want) })
		if e.faults != nil {
			t.Errorf("page %d: %v", i, e.faults)
		}
	}
}

// TestSlowPageCatchesUp offers a page more than fits: it gets a snapshot instead of the
// frames that it missed.
func TestSlowPageCatchesUp(t *testing.T) {
	n := newNode(t)
	n.enter(wordpress.AdminRoom, 100, "a")
	p := n.page(t, 1)
	l := p.poller(t)
	session, r := n.find(1, p.conn), n.sites.configured[demoSite].rooms.Room(wordpress.AdminRoom)
	for range 40 { // of 4 KB
		session.Offer(r, []byte(`{"type":"presence","room":"admin/online","joined":[{"client_id":"`+strings.Repeat("x", 4000)+`"}]}`))
	}
	_, seq, frames := l.poll(0)
	heard := 0
	for _, f := range frames {
		heard += len(f.Joined)
	}
	if heard == 0 || heard == 40 {
		t.Fatalf("%d of the 40 frames were sent: the test is void", heard)
	}
	until(t, "a snapshot makes up for the rest", func() bool {
		_, next, frames := l.poll(seq)
		seq = next
		return slices.ContainsFunc(frames, func(f frame) bool { return f.Room == wordpress.AdminRoom && len(f.Snapshot) == 1 })
	})
}

// TestRoomsAreForgotten keeps nothing of rooms that nobody hears.
func TestRoomsAreForgotten(t *testing.T) {
	n := newNode(t)
	st := n.sites.configured[demoSite]
	count := st.rooms.Len
	first, second := n.page(t, 1).socket(t), n.page(t, 2).socket(t)
	if count() != 4 {
		t.Errorf("%d rooms are heard, want 4", count())
	}
	_ = first.conn.CloseNow()
	second.send(`{"type":"leave"}`)
	until(t, "all rooms are forgotten", func() bool { return count() == 0 })
	st.lastUsed.Store(time.Now().Add(-watchLinger).UnixNano())
	st.closeIfIdle()
	if st.view != nil {
		t.Error("a site that nobody uses is still watched")
	}
	n.page(t, 1).socket(t) // and is watched again when somebody comes
	if st.view == nil {
		t.Error("the site is not watched again")
	}
}
