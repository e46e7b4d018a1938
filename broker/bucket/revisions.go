package bucket

import (
	"maps"
	"slices"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Revisions has the newest known revision of each key of the bucket. Acks and the watch
// bring the same revisions in no fixed order, and a watch that starts again brings them
// twice. It is not safe for concurrent use.
type Revisions struct {
	keys     map[string]*revision
	epoch    uint64 // the bucket; revisions of two buckets cannot be compared
	snapshot int    // the number of the current snapshot
}

// revision is the newest known revision of a key.
type revision struct {
	key      presence.Key
	stored   *presence.Stored // nil: deleted, and kept until the watch has brought the deletion
	rev      uint64
	epoch    uint64
	snapshot int // the last snapshot in which the key appeared
}

// Begin starts a snapshot of the bucket with an epoch. Keys that were known before stay
// until Expire.
func (m *Revisions) Begin(epoch uint64) {
	if m.keys == nil {
		m.keys = map[string]*revision{}
	}
	m.epoch = epoch
	m.snapshot++
	maps.DeleteFunc(m.keys, func(_ string, f *revision) bool { return f.stored == nil })
}

// Epoch returns the epoch of the last Begin.
func (m *Revisions) Epoch() uint64 { return m.epoch }

// Get returns a key and its value as Learn or Update was given them. The value is nil if
// the key is deleted or not known.
func (m *Revisions) Get(name string) (presence.Key, *presence.Stored) {
	if f := m.keys[name]; f != nil {
		return f.key, f.stored
	}
	return presence.Key{}, nil
}

// Forget removes a key.
func (m *Revisions) Forget(name string) { delete(m.keys, name) }

// Knows reports whether this revision of a key, or a newer one, is known, and marks the key
// as present in this snapshot.
func (m *Revisions) Knows(name string, rev uint64) bool {
	f := m.keys[name]
	if f == nil || f.epoch != m.epoch || f.rev < rev {
		return false
	}
	f.snapshot = m.snapshot
	if f.stored == nil && f.rev == rev {
		delete(m.keys, name)
	}
	return true
}

// Learn takes a revision of a key, unless a newer one is known. stored is nil when the key
// is deleted.
func (m *Revisions) Learn(name string, key presence.Key, stored *presence.Stored, rev uint64) {
	if !m.Knows(name, rev) {
		m.keys[name] = &revision{key, stored, rev, m.epoch, m.snapshot}
	}
}

// Update is Learn for the watch. The watch is ordered, so no older revision follows, and a
// deleted key can be forgotten.
func (m *Revisions) Update(name string, key presence.Key, stored *presence.Stored, rev uint64) {
	m.Learn(name, key, stored, rev)
	if f := m.keys[name]; f != nil && f.stored == nil && f.rev <= rev {
		delete(m.keys, name)
	}
}

// Expire removes the keys that did not appear since Begin and returns their names. It is
// called one TTL after the snapshot: by then the keys of everybody who is present were
// written again.
//
// The snapshot alone is not enough: NATS signals its end too early if some of its keys are
// written meanwhile.
func (m *Revisions) Expire() []string {
	var names []string
	for name, f := range m.keys {
		if f.snapshot != m.snapshot {
			names = append(names, name)
			delete(m.keys, name)
		}
	}
	slices.Sort(names)
	return names
}
