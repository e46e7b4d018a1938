package server

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// newPair starts two nodes that know each other.
func newPair(t *testing.T) (first, second *node) {
	t.Helper()
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	first, second = newNodeOn(t, on), newNodeOn(t, on)
	until(t, "the nodes know each other", func() bool {
		return first.balancer.Others() == 1 && second.balancer.Others() == 1
	})
	return first, second
}

// TestDrainToOtherNode drains one of two nodes. A page that follows the request to move has its
// next link before it loses the last one; a new page that comes to the node, and an older page
// that ignores the request, are told to come back at once.
func TestDrainToOtherNode(t *testing.T) {
	first, second := newPair(t)
	mover, older := first.page(t, 1), first.page(t, 2)
	moving, staying := mover.socket(t), older.socket(t)
	moving.beat(1, mover.pinging("dashboard"))
	staying.next("presence")
	ctx := t.Context()
	var drain sync.WaitGroup
	drain.Go(func() { first.Drain(ctx, 2*time.Second) })
	moving.next("move")
	late, _, err := first.page(t, 3).dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	late.send(first.page(t, 3).hello())
	if bye, code := late.ended(); code != 4001 || bye.Retry < 50 || bye.Retry > 500 {
		t.Errorf("a new page: %d %+v", code, bye)
	}
	mover.node = second
	next := mover.socket(t)
	if f := moving.beat(2, mover.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("over the last link: %+v", f)
	}
	if f := next.beat(1, mover.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("over the next link: %+v", f)
	}
	_ = moving.conn.CloseNow()
	if bye, code := staying.ended(); code != 4001 || bye.Retry < 50 || bye.Retry > 500 {
		t.Errorf("a page that has not moved: %d %+v", code, bye)
	}
	drain.Wait()
}

// TestDrainEndsEarly drains a node whose only page moves at once.
func TestDrainEndsEarly(t *testing.T) {
	first, second := newPair(t)
	p := first.page(t, 1)
	s := p.socket(t)
	ctx := t.Context()
	var drain sync.WaitGroup
	drain.Go(func() { first.Drain(ctx, time.Hour) })
	s.next("move")
	p.node = second
	p.socket(t)
	_ = s.conn.CloseNow()
	within(20*time.Second, "Drain", drain.Wait)
}

// TestRebalance checks that a node with many more pages than the others asks some to move, each
// once, and a node alone asks none.
func TestRebalance(t *testing.T) {
	first, _ := newPair(t)
	alone := newNode(t)
	const pages = 120
	open := func(n *node) (all []*socket) {
		p := n.page(t, 1)
		for i := range pages {
			p.conn = fmt.Sprintf("page-%06d", i)
			all = append(all, p.socket(t))
		}
		return all
	}
	all := open(first)
	open(alone)
	moved := func(n *node) (count int) {
		for _, s := range n.sessions.all() {
			if (leaver{session: s}).Moved() {
				count++
			}
		}
		return count
	}
	until(t, "some pages are asked", func() bool { return moved(first) >= 6 })
	asked := 0
	for _, s := range all {
		session := first.find(1, fmt.Sprintf("page-%06d", asked))
		if (leaver{session: session}).Moved() {
			s.next("move")
		}
		asked++
	}
	if n := moved(first); n > 12 {
		t.Errorf("%d of %d pages are asked in a few seconds", n, pages)
	}
	if n := moved(alone); n > 0 {
		t.Errorf("%d pages of the only node are asked", n)
	}
}
