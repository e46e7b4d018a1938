package room

import (
	"bytes"
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
	changes, flushes uint64
	at               time.Time
}

// snapshotFrame returns the room as it is. A large room may be returned as it was since
// the last flush: changes since then are pending, and reach every page that hears the
// room. It is called with r.sendMu held.
func (r *Room) snapshotFrame() []byte {
	r.mu.Lock()
	s := &r.last
	recent := r.total >= largeRoom && s.flushes == r.flushes && time.Since(s.at) < interval
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
	var all int
	r.view.Room(r.name, func(entries []presence.Entry, total int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		list, all, r.total = entries, total, total
		listed()
		r.last = snapshot{nil, r.changes, r.flushes, time.Now()}
	})
	r.cut = r.cut || all > len(list)
	b := r.newFrame(len(list))
	budget := largeBudget
	b = r.appendEntries(b, "snapshot", list, &budget)
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(all), 10)
	b = append(b, '}')
	if len(list) > smallList {
		r.last.frame = b
	}
	return b
}

// changesFrame lists changes: with dates, those of a date alone, or of the date and idle, as dates.
// It is called with r.sendMu held.
func (r *Room) changesFrame(changed map[string]pending, dates bool) []byte {
	var joined, updated, left []presence.Entry
	var dated []pending
	for _, p := range changed {
		switch {
		case p.kind == presence.Joined:
			joined = append(joined, p.entry)
		case p.kind == presence.Left:
			left = append(left, p.entry)
		case p.dated && dates:
			dated = append(dated, p)
		default:
			updated = append(updated, p.entry)
		}
	}
	b, budget := r.newFrame(len(changed)-len(dated)), largeBudget
	for _, part := range []struct {
		name    string
		entries []presence.Entry
	}{{"joined", joined}, {"updated", updated}, {"left", left}} {
		if part.entries != nil {
			b = r.appendEntries(b, part.name, part.entries, &budget)
		}
	}
	return append(appendDates(b, dated), '}')
}

// appendDates writes what has changed of entries, if there are any.
func appendDates(b []byte, dated []pending) []byte {
	if len(dated) == 0 {
		return b
	}
	b = append(b, `,"dates":[`...)
	for i := range dated {
		if i > 0 {
			b = append(b, ',')
		}
		b = transport.AppendString(append(b, `{"client_id":`...), dated[i].entry.ClientID)
		b = transport.AppendString(append(b, `,"date_gmt":`...), dated[i].entry.DateGMT)
		if dated[i].idle {
			b = dated[i].entry.Idle.AppendMember(b)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// newFrame begins a frame with space for so many entries.
func (r *Room) newFrame(entries int) []byte {
	b := append(make([]byte, 0, 96+288*entries), `{"type":"presence","room":`...)
	return transport.AppendString(b, r.name)
}

// appendEntries writes a list of a frame. budget is how many bytes the entries with more than
// smallData bytes of data may still have in the frame. Those beyond it are written in short.
func (r *Room) appendEntries(b []byte, name string, entries []presence.Entry, budget *int) []byte {
	b = append(b, `,"`+name+`":[`...)
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		p := r.prefixes.prefix(len(entries), &entries[i], framePrefix)
		switch {
		case p.short == nil:
			b = append(b, p.text...)
		case len(p.text) <= *budget:
			*budget -= len(p.text)
			b = append(b, p.text...)
		default:
			b = append(b, p.short...)
		}
		b = append(entries[i].Idle.AppendMember(transport.AppendString(b, entries[i].DateGMT)), '}')
	}
	return append(b, ']')
}

// A frame goes to every page of a room, and any user who may edit posts can write 50 entries
// with 10 KB of data each. So only a part of the large ones is written in full.
const (
	// smallData is the number of bytes up to which data is always written in full.
	smallData = 512
	// largeBudget is the number of bytes that all entries with more data have in a frame.
	largeBudget = 64 << 10
	// shortText is the number of characters of each text of an entry that is written in short.
	shortText = 60
)

// framePrefix writes an entry as frames have it, up to its date. The frame names the room.
func framePrefix(e presence.Entry) prefix {
	p := prefix{}
	e.Data = presence.ShownData(e.Data)
	p.text = entryPrefix(e, false)
	if len(e.Data) > smallData {
		e.Data = presence.ShortData(e.Data, shortText)
		p.short = entryPrefix(e, true)
	}
	return p
}

func entryPrefix(e presence.Entry, short bool) []byte {
	e.Idle, e.ExpiresGMT, e.PostTitle = presence.Unreported, "", nil
	if e.DisplayName = presence.Cut(e.DisplayName, presence.MaxName); len(e.AvatarURL) > presence.MaxAvatar {
		e.AvatarURL = ""
	}
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false) // escaped, < takes six bytes
	_ = to.Encode(struct {
		Short bool `json:"data_cut,omitempty"`
		presence.Entry
		Room    string `json:"room,omitempty"`
		DateGMT string `json:"date_gmt"` // the last member: what follows differs between frames
	}{Short: short, Entry: e}) // strings and checked JSON cannot fail
	return b.Bytes()[:b.Len()-len(`""}`+"\n")]
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
