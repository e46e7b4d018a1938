// Package replay keeps pushes for pages that reconnect, and knows which ones a page may have
// missed.
package replay

import (
	"cmp"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxBytes bounds the pushes that a node keeps, and maxAge how long it keeps them. Both are at
	// most NATS's own bounds. The budgets of the sites are smaller, so only pushes that several
	// nodes accept at once can exceed maxBytes.
	maxBytes = 48 << 20
	maxAge   = topic.PushAge
)

// Push is a push that may be sent again.
type Push struct {
	Site   string
	To     message.Target
	Cursor topic.Cursor
	Frame  []byte
	At     time.Time
	Stored time.Time // when NATS stored it, by its clock
}

// Buffer has the pushes of a stream. It is not safe for concurrent use.
type Buffer struct {
	Cursor topic.Cursor // of the last message

	stored  time.Time // when NATS stored the last message
	tip     uint64    // the stream's last known sequence number; messages up to it may not have come yet
	pushes  []*Push   // the oldest first
	byWhom  map[whom][]*Push
	bytes   int
	dropped dropped
}

// whom is for whom pushes are. A page that returns looks only at its own: there may be as many others
// as there are pages.
type whom struct {
	site string
	to   message.Target
}

// noCursor is the cursor of a new page that connects before this node has subscribed to the
// stream. All pushes of the stream follow it.
var noCursor = topic.Cursor{Epoch: "0"}

// Subscribed takes the numbers of the first and the last message of the stream, before they are
// received. missed is not zero if this node has missed messages up to that one.
func (b *Buffer) Subscribed(first uint64, tip topic.Cursor) (missed topic.Cursor) {
	missed = b.follows(topic.Cursor{Epoch: tip.Epoch, Seq: first})
	b.tip = tip.Seq
	return missed
}

// Received takes the cursor of the next message, and when NATS stored it. missed is as in Subscribed.
func (b *Buffer) Received(c topic.Cursor, stored time.Time) (missed topic.Cursor) {
	missed = b.follows(c)
	b.Cursor, b.stored = c, stored
	return missed
}

// follows is called with the cursor of the next message. If NATS has dropped messages before it, or
// has lost the stream, the pages of all sites may have missed pushes. It drops the pushes of another
// stream: the cursors of two streams cannot be compared.
func (b *Buffer) follows(next topic.Cursor) (missed topic.Cursor) {
	before := b.Cursor.Epoch
	if before != next.Epoch {
		*b = Buffer{Cursor: topic.Cursor{Epoch: next.Epoch}}
	} else if next.Seq <= b.Cursor.Seq+1 {
		return missed
	}
	b.Cursor.Seq = max(next.Seq, 1) - 1
	b.dropped.addAll(b.Cursor.Seq)
	if before == "" { // the node has just started: it had no pages
		return missed
	}
	return b.Cursor
}

// Keep adds a push, and drops pushes that are too old or too many.
func (b *Buffer) Keep(p Push) {
	if b.byWhom == nil {
		b.byWhom = make(map[whom][]*Push)
	}
	own := whom{p.Site, p.To}
	b.pushes, b.byWhom[own] = append(b.pushes, &p), append(b.byWhom[own], &p)
	b.bytes += len(p.Frame)
	for b.bytes > maxBytes || p.At.Sub(b.pushes[0].At) > maxAge {
		b.drop()
	}
}

// drop drops the oldest push. It moves no other.
func (b *Buffer) drop() {
	old := b.pushes[0]
	own := whom{old.Site, old.To}
	b.pushes, b.byWhom[own] = behind(b.pushes), behind(b.byWhom[own])
	if len(b.byWhom[own]) == 0 {
		delete(b.byWhom, own)
	}
	b.bytes -= len(old.Frame)
	b.dropped.add(old.Site, old.Cursor.Seq)
}

// behind returns a list without its first push, which is then free.
func behind(list []*Push) []*Push {
	list[0] = nil
	return list[1:]
}

// After returns the pushes to some targets of a site after a position of this stream, the oldest
// first.
func (b *Buffer) After(from topic.Cursor, site string, targets []message.Target) (pushes []*Push) {
	bySeq := func(p *Push, seq uint64) int { return cmp.Compare(p.Cursor.Seq, seq) }
	for _, to := range targets {
		own := b.byWhom[whom{site, to}]
		first, _ := slices.BinarySearchFunc(own, from.Seq+1, bySeq)
		pushes = append(pushes, own[first:]...)
	}
	slices.SortFunc(pushes, func(p, q *Push) int { return bySeq(p, q.Cursor.Seq) })
	return slices.Compact(pushes) // a target may be named twice
}

// Reached notes the cursor of the stream's last message, which may not have come yet.
func (b *Buffer) Reached(last topic.Cursor) {
	if last.Epoch == b.Cursor.Epoch {
		b.tip = max(b.tip, last.Seq)
	}
}

// Position returns the cursor up to which a page of a site has the pushes, given the cursor in
// its hello. If the page may have missed pushes that the buffer does not have, missed is the frame
// that says so.
//
// If the page opened when its node did not know the position of the stream, its cursor says when it
// opened: from then skips the older pushes that this node has. If opened is not zero, more of them may come.
// A time after now, the time of NATS, is that of a node whose clock was wrong, and does not count.
func (b *Buffer) Position(site, after string, now time.Time) (from topic.Cursor, missed []byte, opened time.Time) {
	had, opened := parseCursor(after)
	from, missed = b.position(site, had)
	if opened.IsZero() || opened.After(now) {
		return from, missed, time.Time{}
	}
	for _, p := range slices.Backward(b.pushes) { // most are older than the page
		if p.Stored.Before(opened) {
			from.Seq = max(from.Seq, p.Cursor.Seq)
			break
		}
	}
	if from.Epoch == b.Cursor.Epoch && !b.stored.Before(opened) {
		opened = time.Time{}
	}
	return from, missed, opened
}

// position is Position for a cursor without a time.
func (b *Buffer) position(site string, had topic.Cursor) (from topic.Cursor, missed []byte) {
	isNew, known := had == topic.Cursor{}, b.Cursor.Epoch != ""
	switch {
	case isNew && known: // it gets what is pushed from now on
		return topic.Cursor{Epoch: b.Cursor.Epoch, Seq: max(b.Cursor.Seq, b.tip)}, nil
	case isNew:
		return noCursor, nil
	case !known:
		return had, nil
	}
	upTo := b.dropped.upTo(site)
	lost := had.Epoch != b.Cursor.Epoch
	if lost { // it has no push of this stream
		from = topic.Cursor{Epoch: b.Cursor.Epoch}
	} else {
		from = had
	}
	if lost && had.Epoch != noCursor.Epoch || from.Seq < upTo {
		missed = MissedFrame(topic.Cursor{Epoch: from.Epoch, Seq: max(from.Seq, upTo)})
	}
	return from, missed
}

// PushFrame returns the frame of a push.
func PushFrame(c topic.Cursor, msg message.Message) []byte {
	b := transport.AppendString([]byte(`{"type":"push","cursor":`), c.String())
	if msg.To.Room != "" {
		b = transport.AppendString(append(b, `,"room":`...), msg.To.Room)
	}
	b = append(append(b, `,"data":`...), msg.Data...)
	return append(b, '}')
}

// MissedFrame returns the frame that tells a page that it may have missed pushes up to a
// position.
func MissedFrame(upTo topic.Cursor) []byte {
	return append(transport.AppendString([]byte(`{"type":"missed","cursor":`), upTo.String()), '}')
}

// CursorFrame returns the frame that tells a page that it has been sent all pushes up to a position.
func CursorFrame(upTo topic.Cursor) []byte {
	return append(transport.AppendString([]byte(`{"type":"cursor","cursor":`), upTo.String()), '}')
}
