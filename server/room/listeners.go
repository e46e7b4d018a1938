package room

import "slices"

// fewListeners is the number of pages up to which a set is stored as a list. Most rooms are
// posts that one page hears, and a map would take ten times the memory.
const fewListeners = 8

// listeners is the set of pages that hear a room.
type listeners struct {
	few  []Listener
	many map[Listener]struct{} // nil: few has all
}

func (l *listeners) len() int { return len(l.few) + len(l.many) }

func (l *listeners) has(p Listener) bool {
	_, found := l.many[p]
	return found || slices.Contains(l.few, p)
}

// only returns the user of the only page, or 0 if there is none or more than one.
func (l *listeners) only() int64 {
	if len(l.few) != 1 || l.many != nil {
		return 0
	}
	return l.few[0].UserID()
}

func (l *listeners) add(p Listener) {
	switch {
	case l.has(p):
	case l.many == nil && len(l.few) < fewListeners:
		l.few = append(l.few, p)
	default:
		if l.many == nil {
			l.many = make(map[Listener]struct{})
			for _, old := range l.few {
				l.many[old] = struct{}{}
			}
			l.few = nil
		}
		l.many[p] = struct{}{}
	}
}

func (l *listeners) remove(p Listener) {
	delete(l.many, p)
	if i := slices.Index(l.few, p); i >= 0 {
		l.few = slices.Delete(l.few, i, i+1)
	}
}

// all yields the pages in any order.
func (l *listeners) all(yield func(Listener) bool) {
	for _, p := range l.few {
		if !yield(p) {
			return
		}
	}
	for p := range l.many {
		if !yield(p) {
			return
		}
	}
}
