package broker

import (
	"container/list"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// item is what this node has to say of one key. The broker's lock guards it. It has three
// states, which do not depend on each other, and busy.
//
// goal, what is to become of the key. Callers set it; Hold and Put also after Leave:
//
//	Hold ──→ renewed ──StopRenewing──→ expiring ←── Put
//	renewed, expiring ──Leave──→ purged
//	any ──Remove──→ removed
//
// pending, what is to be written while the goal is renewed or expiring:
//
//	any        ──a new value, by Hold or Put────────────────→ newValue
//	nothing    ──a value with a new date only, by Hold──────→ dateWaits
//	dateWaits  ──the wheel, StopRenewing, SetIdle, Close────→ dateDue
//	dateWaits  ──the watch: another node wrote an older date→ newValue
//	nothing    ──the wheel, SetIdle, a failure──────────────→ repetition
//	any but dateWaits ──the writer sends it─────────────────→ nothing
//	any        ──Leave, Remove──────────────────────────────→ nothing
//
// written, what NATS has of it:
//
//	unsent      ──the writer sends a value──────────────→ unconfirmed
//	unconfirmed ──the ack of the newest value, but for its date→ confirmed
//	confirmed   ──Hold, Put, SetIdle; a date is sent; the
//	              watch: somebody took the key away──────→ unconfirmed
//	any         ──the bucket is a new one────────────────→ unsent
//
// A newValue is written whatever NATS has: the page is here now, whoever had it before.
// Every other write (renewal, repetition, purge) expects the revision that this node
// knows, so it never undoes what another node wrote meanwhile. A removal is written
// whatever NATS has, too.
//
// An item ends when its purge or removal is acknowledged, when another node has written
// the key since, and when its TTL is over.
type item struct {
	name       string
	site, conn string // of the key; room and client id are in value
	value      *presence.Stored

	until    time.Time     // when NATS drops the value without renewal
	beat     time.Duration // when the page sent value, by the broker's clock
	sentBeat time.Duration // when it sent the value that was written last
	place    *list.Element // in the writer's queue
	rev      uint64        // the newest revision that this node may replace
	rival    uint64        // the newest revision of somebody else that arrived while ours had no ack

	index      int32 // in the slot
	home, slot uint8 // in the wheel

	goal    goal
	pending pending
	written written
	busy    bool // a write or a look-up is under way
}

type goal uint8

const (
	renewed  goal = iota // write the value, and renew it every third of a TTL
	expiring             // write the value once; it ends with its TTL
	purged               // take the key away if nobody else wrote it since
	removed              // take the key away whoever wrote it
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
	unsent      written = iota // nothing of ours
	unconfirmed                // perhaps value
	confirmed                  // value, or all but its date, as revision rev
)

// key returns as much of the item's key as folding needs.
func (it *item) key() presence.Key { return presence.Key{Site: it.site, Conn: it.conn} }

// leaves says whether the key is to be taken away.
func (it *item) leaves() bool { return it.goal == purged || it.goal == removed }

// isDue says whether a value is to be written now.
func (it *item) isDue() bool { return it.pending > dateWaits }

// isLate says whether NATS may have everything but the date.
func (it *item) isLate() bool { return it.pending == dateWaits || it.pending == dateDue }

// repeat makes the value due, if it is not.
func (it *item) repeat() {
	switch it.pending {
	case nothing:
		it.pending = repetition
	case dateWaits:
		it.pending = dateDue
	}
}

// unconfirm forgets that NATS has the value.
func (it *item) unconfirm() {
	if it.written == confirmed {
		it.written = unconfirmed
	}
}
