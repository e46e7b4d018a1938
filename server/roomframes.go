package server

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/transport"
)

// largeRoom is how many people a room has in which the next who join may get the
// same snapshot. In a smaller one everybody gets the room as it is.
const largeRoom = 100

// snapshot is a room's frame for whoever joins. It is the room as it was when
// there had been so many changes and flushes: while no more were flushed,
// whatever came later is pending.
type snapshot struct {
	frame            []byte
	total            int
	changes, flushes uint64
	at               time.Time
}

// snapshot is the room as it is; of a large one, as it was since the last flush,
// for what has changed is pending and reaches whoever hears the room. It is
// called with r.fan held.
func (r *room) snapshot() []byte {
	r.mu.Lock()
	w := &r.whole
	recent := w.total >= largeRoom && w.flushes == r.flushes && time.Since(w.at) < roomPace
	good := w.frame != nil && (w.changes == r.changes || recent)
	r.mu.Unlock()
	if good {
		return w.frame
	}
	return r.look(func() {})
}

// look makes the snapshot anew. then is called, with r.mu held, when it is known
// what will be in it. Look is called with r.fan held.
func (r *room) look(then func()) []byte {
	var list []broker.Entry
	r.view.Room(r.name, func(entries []broker.Entry, total int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		list = entries
		then()
		r.whole = snapshot{nil, total, r.changes, r.flushes, time.Now()}
	})
	b := r.head(len(list))
	b = r.appendEntries(b, "snapshot", list)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(r.whole.total), 10)
	b = append(b, '}')
	if len(list) > fewHeads {
		r.whole.frame = b
	}
	return b
}

// frame says what has changed.
func (r *room) frame(changed map[string]pending) []byte {
	var joined, updated, left []broker.Entry
	for _, p := range changed {
		switch p.kind {
		case broker.Joined:
			joined = append(joined, p.entry)
		case broker.Left:
			left = append(left, p.entry)
		default:
			updated = append(updated, p.entry)
		}
	}
	b := r.head(len(changed))
	for _, part := range []struct {
		name    string
		entries []broker.Entry
	}{{"joined", joined}, {"updated", updated}, {"left", left}} {
		if part.entries != nil {
			b = r.appendEntries(b, part.name, part.entries)
		}
	}
	return append(b, '}')
}

// head begins a frame with room for so many entries.
func (r *room) head(entries int) []byte {
	b := append(make([]byte, 0, 96+288*entries), `{"type":"presence","room":`...)
	return transport.AppendString(b, r.name)
}

func (r *room) appendEntries(b []byte, name string, entries []broker.Entry) []byte {
	r.heads.write = memberHead
	b = append(b, `,"`+name+`":[`...)
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.heads.in(len(entries), &entries[i])...)
		b = append(entries[i].Idle.AppendMember(transport.AppendString(b, entries[i].DateGMT)), '}')
	}
	return append(b, ']')
}

// member is an entry in a frame, where the room stands on the frame.
type member struct {
	broker.Entry
	Room string `json:"room,omitempty"`
}

// memberHead is what a frame says of somebody before the date.
func memberHead(e broker.Entry) []byte {
	e.DateGMT, e.Idle = "", broker.Unreported
	b, _ := json.Marshal(member{Entry: e}) // strings and checked JSON cannot fail
	return b[:len(b)-len(`""}`)]
}
