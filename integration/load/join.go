//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

const (
	// joinWait is how long it may take until everybody knows of a join.
	joinWait = 30 * time.Second
	// joinRooms and joinPace give a room time to be quiet between two joins
	// that are watched: a presence frame goes out at most four times a second.
	joinRooms = 10
	joinPace  = 31 * time.Millisecond
)

// storm is pages that come to one room all at once.
type storm struct {
	loop  *loop
	size  int
	came  int   // pages whose hello is sent
	place []int // of each page in that order, from 1 on; 0: not yet
	told  int   // pages that know of everybody
	knows []knowledge
}

// knowledge is what one page has heard of the others. A snapshot tells it all
// at once: it lists 200 and counts the rest. A page that was too slow for the
// changes gets another.
type knowledge struct {
	seen    []bool
	after   int // how many had come at the newest snapshot: of the others it must hear
	missing int // of the others
}

var clientID = []byte(`"client_id":"user-`)

// hear takes a presence frame that page i got.
func (s *storm) hear(i int, frame []byte) {
	k := &s.knows[i]
	was := k.everybody()
	if total := snapshotTotal(frame); total >= 0 {
		s.begin(k, total > bytes.Count(frame, clientID))
	}
	if k.seen == nil {
		return // a change before the first snapshot is in it
	}
	for rest := frame; ; {
		_, after, found := bytes.Cut(rest, clientID)
		if !found {
			break
		}
		rest = after
		n, err := strconv.Atoi(string(rest[:max(0, bytes.IndexByte(rest, '"'))]))
		if err != nil || n < 1 || n > s.size {
			s.loop.fail(fmt.Errorf("somebody unknown joined: %.80s", rest))
			return
		}
		if !k.seen[n-1] && s.mustHear(k, n-1) {
			k.missing--
		}
		k.seen[n-1] = true
	}
	if is := k.everybody(); is && !was {
		s.told++
	} else if was && !is {
		s.told--
	}
}

// everybody says whether the page knows of all.
func (k *knowledge) everybody() bool { return k.seen != nil && k.missing == 0 }

// begin starts from a snapshot; one that is cut counts those it does not list.
func (s *storm) begin(k *knowledge, cut bool) {
	if k.seen == nil {
		k.seen = make([]bool, s.size)
	}
	k.after, k.missing = 0, 0
	if cut {
		k.after = s.came
	}
	for i := range s.size {
		if !k.seen[i] && s.mustHear(k, i) {
			k.missing++
		}
	}
}

// mustHear says whether a page comes after what another knows by a snapshot.
func (s *storm) mustHear(k *knowledge, i int) bool { return s.place[i] == 0 || s.place[i] > k.after }

// snapshotTotal is how many a snapshot counts, -1 if the frame is none.
func snapshotTotal(frame []byte) int {
	_, total, found := bytes.Cut(frame, []byte(`],"total":`))
	n, err := strconv.Atoi(string(bytes.TrimSuffix(total, []byte("}"))))
	if !found || err != nil {
		return -1
	}
	return n
}

// joinStorm has pages come to one room, evenly over a second, and measures how
// long after the last of them everybody has heard of everybody.
func (b *bench) joinStorm() ([]figure, error) {
	var late, used time.Duration
	p, err := b.heartbeatd()
	err = with(p, err, func(p *process, l *loop) error {
		s := &storm{loop: l, size: b.joiners, place: make([]int, b.joiners), knows: make([]knowledge, b.joiners)}
		pages := make([]*page, b.joiners)
		for i := range pages {
			who, err := visitor(i + 1)
			if err != nil {
				return err
			}
			pages[i] = &page{who: who, present: true, welcomed: func() {}, onPresence: func(f []byte) { s.hear(i, f) }}
		}
		return b.profiled("join-storm", p, func() error {
			late, used, err = s.blow(p, pages)
			return err
		})
	})
	return []figure{{"join-storm", late.Seconds(), 0}, {"join-storm-cpu", used.Seconds(), 0}}, err
}

// blow returns how long after the last page came everybody was told, and the
// CPU of it all.
func (s *storm) blow(p *process, pages []*page) (late, used time.Duration, err error) {
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	var last time.Time
	for i, pg := range pages {
		s.loop.after(time.Duration(i)*time.Second/time.Duration(len(pages)), func() {
			s.loop.openPage(i, p.addrs[0], pg)
			say := pg.opened
			pg.opened = func() {
				say()
				s.came++
				s.place[i] = s.came
				last = time.Now()
			}
		})
	}
	if err := s.loop.run(joinWait, func() bool { return s.told == s.size }); err != nil {
		return 0, 0, fmt.Errorf("%d of %d pages are told: %w", s.told, s.size, err)
	}
	late = time.Since(last)
	after, err := s.loop.calm(p)
	return late, after - before, err
}

// joinSeen has pages come one by one to quiet rooms, and measures how long
// another page there takes to see it, from the first packet on.
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

// watchJoin opens the nth connection as an editor of a post, and tells when
// whoever watches the post has seen it.
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
