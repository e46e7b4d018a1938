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

// enter writes the entry of a user, as another node does.
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

// TestManyJoinOneRoom has a thousand people join at once. A page must receive all of them in
// a few frames, each with at most 200 entries.
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
			t.Fatalf("a frame has %d updates, %d leaves, %d joins, and a snapshot of %d", len(f.Updated), len(f.Left), len(f.Joined), len(f.Snapshot))
		}
	}
	if most := 2 + int(time.Since(started)/(250*time.Millisecond)); joined != people || frames > most {
		t.Errorf("%d joins in %d frames, want at most %d frames", joined, frames, most)
	}

	// A new page gets a snapshot of 200 entries and the total, and so does a tick.
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
		t.Errorf("a tick lists %d of %d", len(tick.Online), tick.Total)
	}
}

// TestPagesOpenWhileRoomChanges opens pages while people join, move in and leave a large
// room. In the end every page must see who is present.
func TestPagesOpenWhileRoomChanges(t *testing.T) {
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
	var watching []*watcher
	for i := range pages {
		enter(2000+i, 1)
		enter(1000+i, 2)
		if i%4 == 0 {
			n.exit(wordpress.AdminRoom, 1100+i)
			delete(want, fmt.Sprintf("%s user-%d", wordpress.AdminRoom, 1100+i))
		}
		w := must(newWalker(n, client, 3000+i, "websocket"))
		e := newWatcher(false)
		link := must(openSocket(t.Context(), n.url, fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"watching-%d"}`, w.ticket, i), e.hear))
		t.Cleanup(link.cut)
		watching = append(watching, e)
	}
	for i, e := range watching {
		until(t, fmt.Sprintf("the people on page %d", i), func() bool { return maps.Equal(e.seen(), want) })
		if e.faults != nil {
			t.Errorf("page %d: %v", i, e.faults)
		}
	}
}

// TestSlowPageCatchesUp checks that a page whose outbox was full gets a snapshot instead of
// the frames that did not fit.
func TestSlowPageCatchesUp(t *testing.T) {
	n := newNode(t)
	n.enter(wordpress.AdminRoom, 100, "a")
	p := n.page(t, 1)
	l := p.poller(t)
	session, r := n.find(1, p.conn), n.sites.configured[demoSite].rooms.Room(wordpress.AdminRoom)
	for range 40 { // frames of 4 KB
		session.Offer(r, []byte(`{"type":"presence","room":"admin/online","joined":[{"client_id":"user-100","user_id":100,"display_name":"`+strings.Repeat("x", 4000)+`","avatar_url":"","data":{},"date_gmt":"2026-11-23 05:20:00"}]}`), false)
	}
	_, seq, frames := l.poll(0)
	sent := 0
	for _, f := range frames {
		sent += len(f.Joined)
	}
	if sent == 0 || sent == 40 {
		t.Fatalf("%d of the 40 frames fit into the outbox, want a part of them", sent)
	}
	until(t, "the snapshot", func() bool {
		_, next, frames := l.poll(seq)
		seq = next
		return slices.ContainsFunc(frames, func(f frame) bool { return f.Room == wordpress.AdminRoom && len(f.Snapshot) == 1 })
	})
}

// TestUnusedRoomsAreRemoved checks that rooms without listeners are removed, and that the
// view of an unused site is closed.
func TestUnusedRoomsAreRemoved(t *testing.T) {
	n := newNode(t)
	st := n.sites.configured[demoSite]
	count := st.rooms.Len
	first, second := n.page(t, 1).socket(t), n.page(t, 2).socket(t)
	if count() != 4 {
		t.Errorf("%d rooms are heard, want 4", count())
	}
	_ = first.conn.CloseNow()
	second.send(`{"type":"leave"}`)
	until(t, "the end of all rooms", func() bool { return count() == 0 })
	st.lastUsed.Store(time.Now().Add(-watchLinger).UnixNano())
	st.closeIfIdle()
	if st.view != nil {
		t.Error("an unused site is still watched")
	}
	n.page(t, 1).socket(t)
	if st.view == nil {
		t.Error("the site is not watched again")
	}
}
