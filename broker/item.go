package broker

import (
	"container/list"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/wheel"
)

// item is this node's state of one key. The broker's lock guards it. It has three states,
// which do not depend on each other, and busy.
//
// goal is what the broker does with the key. Callers set it; Hold and Put also after Leave:
//
//	Hold ──→ renewed ──StopRenewing──→ expiring ←── Put, PutUntil
//	renewed ──Lost, if unproven──→ expiring
//	renewed, expiring ──Leave, Lost──→ purged
//	purged, by Lost ──NATS has failed since the page lost its link──→ expiring
//	any ──Remove──→ removed
//
// pending is the next write while the goal is renewed or expiring:
//
//	any        ──a new value, by Hold, TakeOver, Put or Lost→ newValue
//	nothing    ──a value with a new date only, by Hold──────→ dateWaits
//	dateWaits  ──the wheel, StopRenewing, SetIdle, Close────→ dateDue
//	nothing    ──the wheel, SetIdle, a failure──────────────→ repetition
//	any but dateWaits ──the writer sends it─────────────────→ nothing
//	any        ──Leave, Remove──────────────────────────────→ nothing
//
// written is what NATS is known to have:
//
//	unsent      ──the writer sends a value──────────────→ unconfirmed
//	unconfirmed ──the ack of the newest value, but for its date→ confirmed
//	confirmed   ──Hold, Put, SetIdle, Lost; a date is sent; the
//	              watch: another client deleted the key──→ unconfirmed
//	any         ──the bucket is a new one────────────────→ unsent
//
// A removal is written unconditionally. Every other write expects the revision that this node
// knows, so it never replaces what another node wrote meanwhile, even if a server of NATS holds
// it back for a while. A take-over is written again until it is acknowledged, each time with the
// newest revision: the page is here now, whichever node had it before. The date of a value
// decides nothing: the clocks of two nodes differ.
//
// An item ends when its purge or removal is acknowledged, when another node has written
// the key since, and when its TTL has passed.
type item struct {
	name       string
	site, conn string // of the key; room and client id are in value
	value      *presence.Stored
	size       int64 // of its site's budget of bytes

	until    time.Time     // when the value expires without renewal
	beat     time.Duration // when the page sent value, by the broker's clock
	sentBeat time.Duration // when it sent the value that was written last
	queued   *list.Element // its place in the writer's queue, or nil
	rev      uint64        // the newest revision that this node may replace
	arrival  Arrival       // of a take-over without ack, or 0
	asked    bool          // rev is what NATS has just answered
	away     time.Time     // when the page lost its link, or zero
	lost     bool          // Lost has purged it, and neither a new value nor Leave came since

	// unproven says that the page may be elsewhere: the item was taken over from a link to another
	// node, or written after another node, and not held again since the ack, or the page has posted
	// a beat since it lost its link.
	unproven bool

	// foreignRev is the newest revision of another node that arrived while a write of this
	// node had no ack.
	foreignRev uint64

	wheel.Place

	goal    goal
	pending pending
	written written
	busy    bool // a write or a look-up is under way
}

type goal uint8

const (
	renewed  goal = iota // write the value, and renew it every third of a TTL
	expiring             // write the value once; it ends with its TTL, or is renewed until an end of its own
	purged               // delete the key if no other node wrote it since
	removed              // delete the key whichever node wrote it
)

type pending uint8

const (
	nothing    pending = iota
	dateWaits          // a date, not before the wheel or the next beat
	dateDue            // that date, now
	repetition         // the same value again
	newValue           // a value that was never sent
)

type written uint8

const (
	unsent      written = iota // nothing of this node
	unconfirmed                // perhaps the value
	confirmed                  // the value, or all but its date, as revision rev
)

// key returns as much of the item's key as folding needs.
func (it *item) key() presence.Key { return presence.Key{Site: it.site, Conn: it.conn} }

// leaves reports whether the key is to be deleted.
func (it *item) leaves() bool { return it.goal == purged || it.goal == removed }

// isDue reports whether a value is to be written now.
func (it *item) isDue() bool { return it.pending > dateWaits }

// isLate reports whether only the date is not written yet.
func (it *item) isLate() bool { return it.pending == dateWaits || it.pending == dateDue }

// repeat makes the value due, if it is not already.
func (it *item) repeat() {
	switch it.pending {
	case nothing:
		it.pending = repetition
	case dateWaits:
		it.pending = dateDue
	}
}

// unconfirm records that NATS no longer is known to have the value.
func (it *item) unconfirm() {
	if it.written == confirmed {
		it.written = unconfirmed
	}
}
