package broker

import (
	"maps"
	"slices"
)

// mirror is what the bucket says of each key. Acks and the watch bring the
// same news in no fixed order, and a watch that starts again brings it twice,
// so of each key the newest revision counts. It has no lock: its owner has.
type revisions struct {
	keys  map[string]*revision
	epoch uint64 // the bucket that is read; revisions of two buckets don't compare
	turn  int    // counts the snapshots
}

// A fact is the last that was heard of a key.
type revision struct {
	key    Key
	stored *Stored // nil: gone, remembered until the watch says so too
	rev    uint64
	epoch  uint64
	turn   int
}

// begin starts a snapshot of the bucket called epoch. What was known before
// stays until expire.
func (m *revisions) begin(epoch uint64) {
	if m.keys == nil {
		m.keys = map[string]*revision{}
	}
	m.epoch = epoch
	m.turn++
	maps.DeleteFunc(m.keys, func(_ string, f *revision) bool { return f.stored == nil })
}

// knows says whether this revision of a key, or a newer one, was heard of,
// and if so that it is still there.
func (m *revisions) knows(name string, rev uint64) bool {
	f := m.keys[name]
	if f == nil || f.epoch != m.epoch || f.rev < rev {
		return false
	}
	f.turn = m.turn
	if f.stored == nil && f.rev == rev {
		delete(m.keys, name)
	}
	return true
}

// learn takes in a revision of a key, unless a newer one is known: stored is
// nil when the key is gone.
func (m *revisions) learn(name string, key Key, stored *Stored, rev uint64) {
	if !m.knows(name, rev) {
		m.keys[name] = &revision{key, stored, rev, m.epoch, m.turn}
	}
}

// watched is learn for what the watch says. It comes in order, so nothing
// older follows, and a key that is gone can be forgotten.
func (m *revisions) update(name string, key Key, stored *Stored, rev uint64) {
	m.learn(name, key, stored, rev)
	if f := m.keys[name]; f != nil && f.stored == nil && f.rev <= rev {
		delete(m.keys, name)
	}
}

// expire comes one TTL after the snapshot. Whoever is there was written again
// by then, whatever bucket it is, so the keys that were not heard of since
// begin are gone. It returns their names.
//
// The snapshot alone does not tell: NATS announces its end too early when keys
// that are in it are written meanwhile.
func (m *revisions) expire() []string {
	var names []string
	for name, f := range m.keys {
		if f.turn != m.turn {
			names = append(names, name)
			delete(m.keys, name)
		}
	}
	slices.Sort(names)
	return names
}
