package room

import (
	"strconv"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

func benchEntries(n int) []presence.Entry {
	entries := make([]presence.Entry, n)
	for i := range entries {
		id := strconv.Itoa(i + 1)
		entries[i] = presence.Entry{
			Room: wordpress.AdminRoom, ClientID: "user-" + id, UserID: int64(i + 1), DisplayName: "Editor " + id,
			AvatarURL: "https://secure.gravatar.com/avatar/0123456789abcdef0123456789abcdef?s=64&d=mm&r=g",
			Data:      []byte(`{"screen":"dashboard","screen_label":"Dashboard"}`), DateGMT: "2026-11-23 05:20:00",
		}
	}
	return entries
}

// BenchmarkOnlineList writes presence-online after a beat of one of 200 people.
func BenchmarkOnlineList(b *testing.B) {
	lists := [2][]presence.Entry{benchEntries(200), benchEntries(200)}
	var o OnlineList
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		o.Encode(lists[i&1])
		i++
	}
}

// outlet is a Listener with an Outbox.
type outlet struct {
	page
	out *transport.Outbox
}

func (o *outlet) Offer(_ *Room, frame []byte, minor bool) { o.out.Offer(frame, minor) }

// BenchmarkFlush sends a frame with a hundred joins to a thousand pages.
func BenchmarkFlush(b *testing.B) {
	r := &Room{name: wordpress.AdminRoom}
	for range 1000 {
		r.listeners.add(new(outlet))
	}
	joins := benchEntries(100)
	b.ReportAllocs()
	for b.Loop() {
		for l := range r.listeners.all {
			l.(*outlet).out = new(transport.Outbox)
		}
		r.pending = make(map[string]pending)
		for _, e := range joins {
			r.pending[e.ClientID] = pending{kind: presence.Joined, entry: e}
		}
		r.flush()
	}
}
