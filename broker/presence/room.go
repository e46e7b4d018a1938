package presence

import (
	"cmp"
	"maps"
	"slices"
)

// MaxListed is the most entries of a room that Fold.First returns.
const MaxListed = 200

// room has the members of a room. It keeps the first of them sorted, so that a tick in a
// room of 50,000 members does not sort them all: a member that beats moves to the front,
// and the room is sorted again only after half of the sorted members have left the list.
type room struct {
	members map[string]*member // by client id
	top     []*member          // the first members, sorted; at most twice MaxListed
}

// member is one client id with its connections.
type member struct {
	id          string
	connections []*connection
	shown       int    // the index of the connection that is shown
	active      *Entry // shown instead of its entry if only another connection reports an active user
}

type connection struct {
	site, conn string
	stored     *Stored
}

// put sets the value of a connection. It returns the shown entry of the client id before
// and after.
func (r *room) put(t *connection, s *Stored) (was, is *Entry) {
	m := r.members[s.ClientID]
	if m == nil {
		m = &member{id: s.ClientID}
		r.members[m.id] = m
	}
	was = m.entry()
	r.takeOut(m)
	m.put(t, s)
	r.sortIn(m)
	return was, m.entry()
}

// remove removes a connection. It returns the same as put.
func (r *room) remove(t *connection) (was, is *Entry) {
	m := r.members[t.stored.ClientID]
	was = m.entry()
	r.takeOut(m)
	m.remove(t)
	if len(m.connections) == 0 {
		delete(r.members, m.id)
	} else {
		r.sortIn(m)
	}
	return was, m.entry()
}

// takeOut must be called before a member changes: its place is found by its order.
func (r *room) takeOut(m *member) {
	if len(m.connections) == 0 {
		return
	}
	if i, found := slices.BinarySearchFunc(r.top, m, byOrder); found {
		r.top = slices.Delete(r.top, i, i+1)
	}
}

func (r *room) sortIn(m *member) {
	i, _ := slices.BinarySearchFunc(r.top, m, byOrder)
	if i == len(r.top) && len(r.top) < len(r.members)-1 {
		return // a member that is not in top may sort before this one
	}
	r.top = slices.Insert(r.top, i, m)
	if len(r.top) > 2*MaxListed {
		r.top = slices.Delete(r.top, 2*MaxListed, len(r.top))
	}
}

// first returns the first n members.
func (r *room) first(n int) []*member {
	n = min(n, len(r.members))
	if n > len(r.top) {
		all := slices.SortedFunc(maps.Values(r.members), byOrder)
		if n > 2*MaxListed {
			return all[:n]
		}
		r.top = slices.Clone(all[:min(len(all), 2*MaxListed)])
	}
	return r.top[:n]
}

// head returns the newest entry of a user, or nil. Usually it is the first entry: others without a
// user are of back ends.
func (r *room) head() *Entry {
	for _, m := range r.first(1) {
		if e := m.entry(); e.UserID != 0 {
			return e
		}
	}
	for _, m := range r.first(len(r.members)) {
		if e := m.entry(); e.UserID != 0 {
			return e
		}
	}
	return nil
}

// byOrder compares by date_gmt descending, then client id.
func byOrder(a, b *member) int {
	return cmp.Or(cmp.Compare(b.entry().DateGMT, a.entry().DateGMT), cmp.Compare(a.id, b.id))
}

func (m *member) entry() *Entry {
	switch {
	case len(m.connections) == 0:
		return nil
	case m.active != nil:
		return m.active
	}
	return &m.connections[m.shown].stored.Entry
}

func (m *member) put(t *connection, s *Stored) {
	if t.stored == nil {
		m.connections = append(m.connections, t)
	}
	t.stored = s
	m.choose()
}

func (m *member) remove(t *connection) {
	m.connections = slices.DeleteFunc(m.connections, func(other *connection) bool { return other == t })
	m.choose()
}

func (m *member) choose() {
	m.shown, m.active = 0, nil
	active := false
	for i, t := range m.connections {
		active = active || t.stored.Idle == Active
		if best := m.connections[m.shown]; best.stored.before(best.conn, t.stored, t.conn) {
			m.shown = i
		}
	}
	if active && m.entry().Idle != Active {
		e := *m.entry()
		e.Idle = Active
		m.active = &e
	}
}
