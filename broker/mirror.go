package broker

import (
	"maps"
	"slices"
)

// mirror is what the bucket says, newest revision first come or last: acks
// and the watch tell the same news in no fixed order, and a watch that starts
// again tells it twice. It has no lock: its owner has.
type mirror struct {
	facts map[string]*fact
	epoch uint64 // the bucket that is read; revisions of two buckets don't compare
	turn  int    // counts the times the watch started
}

// A fact is the last that was heard of a key.
type fact struct {
	key    Key
	stored *Stored // nil: gone, remembered until the watch says so too
	rev    uint64
	epoch  uint64
	turn   int
}

// begin starts a snapshot of the bucket called epoch. What was known before
// stays until finish or expire.
func (m *mirror) begin(epoch uint64) {
	if m.facts == nil {
		m.facts = map[string]*fact{}
	}
	m.epoch = epoch
	m.turn++
	maps.DeleteFunc(m.facts, func(_ string, f *fact) bool { return f.stored == nil })
}

// learn takes in what revision rev of a key is, nil for gone, and says
// whether that was news.
func (m *mirror) learn(name string, key Key, stored *Stored, rev uint64) bool {
	if f := m.facts[name]; f != nil && f.epoch == m.epoch && f.rev > rev {
		f.turn = m.turn
		return false
	}
	m.facts[name] = &fact{key, stored, rev, m.epoch, m.turn}
	return true
}

// watched is learn for what the watch says. It comes in order, so nothing
// older follows, and what is gone can be forgotten.
func (m *mirror) watched(name string, key Key, stored *Stored, rev uint64) bool {
	news := m.learn(name, key, stored, rev)
	if f := m.facts[name]; f.stored == nil && f.rev <= rev {
		delete(m.facts, name)
	}
	return news
}

// finish ends a snapshot: keys that this bucket had and that are not in it
// are gone. It returns their names. Those of an earlier bucket may still be
// written again by the nodes that hold them.
func (m *mirror) finish() []string {
	return m.forget(func(f *fact) bool { return f.epoch == m.epoch && f.turn != m.turn })
}

// expire ends the wait for those.
func (m *mirror) expire() []string {
	return m.forget(func(f *fact) bool { return f.epoch != m.epoch })
}

func (m *mirror) forget(gone func(*fact) bool) []string {
	var names []string
	for name, f := range m.facts {
		if gone(f) {
			names = append(names, name)
			delete(m.facts, name)
		}
	}
	slices.Sort(names)
	return names
}
