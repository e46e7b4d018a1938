package room

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/transport"
)

// largeRoom is the number of people from which on a page that joins may get the snapshot
// that was made for another. In a smaller room each page gets the room as it is.
const largeRoom = 100

// snapshot is the frame for a page that joins. It has the room as it was after so many
// changes and flushes: while the number of flushes is the same, later changes are pending.
type snapshot struct {
	frame            []byte // nil: not kept
	total            int
	changes, flushes uint64
	at               time.Time
}

// snapshotFrame returns the room as it is. A large room may be returned as it was since
// the last flush: changes since then are pending, and reach every page that hears the
// room. It is called with r.sendMu held.
func (r *Room) snapshotFrame() []byte {
	r.mu.Lock()
	s := &r.last
	recent := s.total >= largeRoom && s.flushes == r.flushes && time.Since(s.at) < interval
	valid := s.frame != nil && (s.changes == r.changes || recent)
	r.mu.Unlock()
	if valid {
		return s.frame
	}
	return r.newSnapshot(func() {})
}

// newSnapshot makes the frame. It calls listed, with r.mu held, when it is known which
// changes the frame has. newSnapshot is called with r.sendMu held.
func (r *Room) newSnapshot(listed func()) []byte {
	var list []presence.Entry
	r.view.Room(r.name, func(entries []presence.Entry, total int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		list = entries
		listed()
		r.last = snapshot{nil, total, r.changes, r.flushes, time.Now()}
	})
	b := r.newFrame(len(list))
	b = r.appendEntries(b, "snapshot", list)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(r.last.total), 10)
	b = append(b, '}')
	if len(list) > smallList {
		r.last.frame = b
	}
	return b
}

// changesFrame lists changes. It is called with r.sendMu held.
func (r *Room) changesFrame(changed map[string]pending) []byte {
	var joined, updated, left []presence.Entry
	for _, p := range changed {
		switch p.kind {
		case presence.Joined:
			joined = append(joined, p.entry)
		case presence.Left:
			left = append(left, p.entry)
		default:
			updated = append(updated, p.entry)
		}
	}
	b := r.newFrame(len(changed))
	for _, part := range []struct {
		name    string
		entries []presence.Entry
	}{{"joined", joined}, {"updated", updated}, {"left", left}} {
		if part.entries != nil {
			b = r.appendEntries(b, part.name, part.entries)
		}
	}
	return append(b, '}')
}

// newFrame begins a frame with space for so many entries.
func (r *Room) newFrame(entries int) []byte {
	b := append(make([]byte, 0, 96+288*entries), `{"type":"presence","room":`...)
	return transport.AppendString(b, r.name)
}

func (r *Room) appendEntries(b []byte, name string, entries []presence.Entry) []byte {
	b = append(b, `,"`+name+`":[`...)
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.prefixes.prefix(len(entries), &entries[i], framePrefix)...)
		b = append(entries[i].Idle.AppendMember(transport.AppendString(b, entries[i].DateGMT)), '}')
	}
	return append(b, ']')
}

// framePrefix writes an entry as frames have it, up to its date. The frame names the room.
func framePrefix(e presence.Entry) []byte {
	e.DateGMT, e.Idle, e.ExpiresGMT = "", presence.Unreported, ""
	b, _ := json.Marshal(struct {
		presence.Entry
		Room string `json:"room,omitempty"`
	}{Entry: e}) // strings and checked JSON cannot fail
	return b[:len(b)-len(`""}`)]
}

// NudgeFrame asks pages to beat within a time. A page whose beats PHP answers beats at most
// once in its own interval because of paced nudges.
func NudgeFrame(spreadMS int, paced bool) []byte {
	b := strconv.AppendInt([]byte(`{"type":"nudge","spread_ms":`), int64(spreadMS), 10)
	if paced {
		b = append(b, `,"paced":true`...)
	}
	return append(b, '}')
}
