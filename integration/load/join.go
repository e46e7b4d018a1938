//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

const (
	// joinWait is how long it may take until all pages know of a join.
	joinWait = 30 * time.Second
	// joinRooms and joinPace are the number of rooms and the time between two joins: so
	// long that a room, which sends at most four presence frames a second, sends each join
	// at once.
	joinRooms = 10
	joinPace  = 31 * time.Millisecond
)

// storm is a number of pages that join one room within a second.
type storm struct {
	loop     *loop
	size     int
	joined   int   // pages whose hello is sent
	place    []int // of each page in that order, from 1 on; 0: not joined
	complete int   // pages that know of all others
	pages    []knowledge
}

// knowledge is what one page has received about the others. A snapshot lists 200 pages and
// has the number of all. A page that was too slow for the changes gets another snapshot.
type knowledge struct {
	seen    []bool
	after   int // the number of joined pages at the newest snapshot: the page must receive the later ones
	missing int // of the later ones
}

var clientID = []byte(`"client_id":"user-`)

// receive handles a presence frame of page i.
func (s *storm) receive(i int, frame []byte) {
	k := &s.pages[i]
	was := k.isComplete()
	if total := snapshotTotal(frame); total >= 0 {
		s.begin(k, total > bytes.Count(frame, clientID))
	}
	if k.seen == nil {
		return // the first snapshot has the changes before it
	}
	for rest := frame; ; {
		_, after, found := bytes.Cut(rest, clientID)
		if !found {
			break
		}
		rest = after
		n, err := strconv.Atoi(string(rest[:max(0, bytes.IndexByte(rest, '"'))]))
		if err != nil || n < 1 || n > s.size {
			s.loop.fail(fmt.Errorf("the join of an unknown page: %.80s", rest))
			return
		}
		if !k.seen[n-1] && s.mustReceive(k, n-1) {
			k.missing--
		}
		k.seen[n-1] = true
	}
	if is := k.isComplete(); is && !was {
		s.complete++
	} else if was && !is {
		s.complete--
	}
}

// isComplete reports whether the page knows of all others.
func (k *knowledge) isComplete() bool { return k.seen != nil && k.missing == 0 }

// begin starts from a snapshot. cut reports that the snapshot does not list all pages.
func (s *storm) begin(k *knowledge, cut bool) {
	if k.seen == nil {
		k.seen = make([]bool, s.size)
	}
	k.after, k.missing = 0, 0
	if cut {
		k.after = s.joined
	}
	for i := range s.size {
		if !k.seen[i] && s.mustReceive(k, i) {
			k.missing++
		}
	}
}

// mustReceive reports whether page i joined after the newest snapshot of another page.
func (s *storm) mustReceive(k *knowledge, i int) bool { return s.place[i] == 0 || s.place[i] > k.after }

// snapshotTotal returns the total of a snapshot, or -1 for another frame.
func snapshotTotal(frame []byte) int {
	_, total, found := bytes.Cut(frame, []byte(`],"total":`))
	n, err := strconv.Atoi(string(bytes.TrimSuffix(total, []byte("}"))))
	if !found || err != nil {
		return -1
	}
	return n
}

// joinStorm opens pages in one room, evenly over a second, and measures the time from the
// last join until all pages know of all others.
func (b *bench) joinStorm() ([]figure, error) {
	var late, used time.Duration
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		s := &storm{loop: l, size: b.joiners, place: make([]int, b.joiners), pages: make([]knowledge, b.joiners)}
		pages := make([]*page, b.joiners)
		for i := range pages {
			who, err := visitor(i + 1)
			if err != nil {
				return err
			}
			pages[i] = &page{who: who, present: true, welcomed: func() {}, onPresence: func(f []byte) { s.receive(i, f) }}
		}
		return b.profiled("join-storm", p, func() error {
			late, used, err = s.run(p, pages)
			return err
		})
	})
	return []figure{{"join-storm", late.Seconds(), 0}, {"join-storm-cpu", used.Seconds(), 0}}, err
}

// run returns the time from the last join until all pages know of all others, and the CPU
// time of all joins.
func (s *storm) run(p *process, pages []*page) (late, used time.Duration, err error) {
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	var last time.Time
	for i, pg := range pages {
		s.loop.after(time.Duration(i)*time.Second/time.Duration(len(pages)), func() {
			s.loop.openPage(i, p.addrs[0], pg)
			sendHello := pg.opened
			pg.opened = func() {
				sendHello()
				s.joined++
				s.place[i] = s.joined
				last = time.Now()
			}
		})
	}
	if err := s.loop.run(joinWait, func() bool { return s.complete == s.size }); err != nil {
		return 0, 0, fmt.Errorf("%d of %d pages know of all others: %w", s.complete, s.size, err)
	}
	late = time.Since(last)
	after, err := s.loop.calm(p)
	return late, after - before, err
}

// joinSeen opens pages one by one in quiet rooms, and measures the time from the first packet
// until another page in the room receives the join.
func (b *bench) joinSeen() ([]figure, error) {
	var delays []time.Duration
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		var watched [joinRooms]func(frame []byte)
		err := l.openAll(joinRooms, func(i int, done func()) {
			who, err := editor(i+1, i+1)
			if err != nil {
				l.fail(err)
				return
			}
			pg := &page{who: who, welcomed: done, onPresence: func(f []byte) {
				if watched[i] != nil {
					watched[i](f)
				}
			}}
			l.openPage(i, p.addrs[0], pg)
		})
		if err != nil {
			return err
		}
		if err := l.rest(b.settle / 10); err != nil {
			return err
		}
		for i := range b.seen {
			l.after(time.Duration(i)*joinPace, func() {
				l.watchJoin(p, joinRooms+i, i%joinRooms+1, func(d time.Duration) { delays = append(delays, d) }, &watched[i%joinRooms])
			})
		}
		return l.run(joinWait+time.Duration(b.seen)*joinPace, func() bool { return len(delays) == b.seen })
	})
	return []figure{{"join-seen", float64(percentile(delays, 99)) / float64(time.Millisecond), 0}}, err
}

// watchJoin opens the nth connection as an editor of a post, and calls seen when the page
// that watches the post has received the join.
func (l *loop) watchJoin(p *process, n, post int, seen func(time.Duration), watched *func([]byte)) {
	who, err := editor(n+1, post)
	if err != nil {
		l.fail(err)
		return
	}
	began := time.Now()
	mark := []byte(`"client_id":"editor-` + who.id + `"`)
	*watched = func(frame []byte) {
		if bytes.Contains(frame, mark) {
			*watched = nil
			seen(time.Since(began))
		}
	}
	pg := &page{who: who, present: true, welcomed: func() {}}
	l.openPage(n, p.addrs[0], pg)
}
