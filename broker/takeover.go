package broker

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Arrival is a connection of a page to this node. It entitles the node to take over the
// keys of the page from the node that the page was connected to before. Arrivals are
// numbered; 0 entitles to nothing.
type Arrival uint64

const (
	pulseInterval = 250 * time.Millisecond

	// maxPause is how long this process may stand still without consequences. A page opens
	// on another node when it has had no tick for 2.5 s.
	maxPause = 2 * time.Second
)

// LateBeat is how long after the end of a page's link the entry may arrive that PHP writes for a beat of before:
// such a beat does not say that the page is still open.
const LateBeat = 3 * time.Second

// Arrive returns the arrival of a page that has just said hello to this node. For maxPause
// after a pause of this process it returns 0: the hello may be as old as the pause, and the
// page connected to another node since.
func (b *Broker) Arrive() Arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checkPause()
	if !b.resumed.IsZero() && time.Since(b.resumed) < maxPause {
		return 0
	}
	b.arrivals++
	return b.arrivals
}

// TakeOver is Hold for the first value of a key since a page has arrived. It replaces the
// value of any other node, which stops renewing it. If this process has stood still since the
// arrival, or the page has left by Disconnected, TakeOver is like Hold.
func (b *Broker) TakeOver(k presence.Key, s presence.Stored, a Arrival) error {
	return b.put(k, s, write{hold: true, arrival: a})
}

// Disconnected ends the right to take over a key: the page's connection has ended, and it may
// be on another node now.
func (b *Broker) Disconnected(k presence.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[k.String()]; it != nil {
		it.arrival, it.away = 0, time.Now()
	}
}

// Lost is Leave for a page that lost its link at some time. The page may be elsewhere, and this node may not know, if
//   - the page has taken over the entry, and not held it again since: it may have given up its hello and kept its link
//     to the node before, or the take-over may have waited for NATS while the page went on,
//   - NATS has not worked for this node at some time since then, so that another node may not have written the entry
//     yet, or
//   - the page has posted a beat since then, as far as that is known: see LateBeat.
//
// Then nobody holds the entry, and it ends one TTL after that time, but not within a third of a TTL while NATS may have
// it; or when it would have ended anyway, if it was not renewed. The page's next beat takes it back.
func (b *Broker) Lost(k presence.Key, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[k.String()]
	if it == nil || it.leaves() {
		return
	}
	elsewhere := b.failedSince(at) || it.unproven && it.goal == renewed
	if elsewhere && b.release(it, at) {
		b.enqueue(it)
		return
	}
	it.lost, it.away = true, at
	b.leave(it)
}

// Posted takes that a page has posted a beat for an entry, as one does that has no link. If the node
// that holds the entry has noticed more than LateBeat ago that the link is gone, it does not remove the entry.
func (b *Broker) Posted(k presence.Key) {
	name := k.String()
	b.posted(name)
	if node := b.holder(name); node != "" {
		_ = b.Tell(&nats.Msg{Subject: NodeSubjects + node + postedKind, Data: []byte(name)})
	}
}

// postedKind ends the subject on which a node hears of beats that others have received.
const postedKind = ".posted"

func (b *Broker) posted(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[name]; it != nil && !it.away.IsZero() && time.Since(it.away) > LateBeat {
		it.unproven = true
	}
}

// holder returns the other node that holds a key, or "".
func (b *Broker) holder(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items[name] != nil || !b.heldElsewhere(name) {
		return ""
	}
	_, stored, _ := b.revisions.Get(name)
	return stored.Node
}

// release makes an item one that nobody holds, and that ends as Lost says. It returns false if the item was never
// written, or is over. The lock is held.
func (b *Broker) release(it *item, lost time.Time) bool {
	now, until := time.Now(), lost.Add(b.ttl)
	if least := now.Add(b.ttl / 3); until.Before(least) && now.Before(it.until) {
		until = least
	}
	if it.goal == expiring {
		until = it.until
	}
	if it.written == unsent || now.After(until) {
		return false
	}
	value := *it.value
	value.Held = false
	it.value, it.until = &value, until
	it.goal, it.pending, it.arrival = expiring, newValue, 0
	it.unconfirm()
	b.refreshViews(it)
	return true
}

// entitles reports whether an arrival allows to take over keys. The lock is held.
func (b *Broker) entitles(a Arrival) bool { return a != 0 && a >= b.trusted }

// heldElsewhere reports whether the link of a page to another node holds a key. The lock is
// held.
func (b *Broker) heldElsewhere(name string) bool {
	_, stored, _ := b.revisions.Get(name)
	return stored != nil && stored.Held && stored.Node != b.node
}

// pulser notices pauses of this process.
func (b *Broker) pulser() {
	tick := time.NewTicker(pulseInterval)
	defer tick.Stop()
	for {
		b.mu.Lock()
		b.checkPause()
		b.pulse = time.Now()
		b.mu.Unlock()
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			return
		}
	}
}

// checkPause notices that this process has stood still, as by SIGSTOP or with its virtual
// machine. Meanwhile its pages may have connected to other nodes, so no earlier arrival
// entitles to anything any more. It is called before each decision, since what waited for
// the process is handled before the next pulse. The lock is held.
func (b *Broker) checkPause() {
	now := time.Now()
	if b.pulse.IsZero() {
		return // the pulser has not started
	}
	// While a machine sleeps, the monotonic clock may stand still, too.
	paused := max(now.Sub(b.pulse), now.Round(0).Sub(b.pulse.Round(0)))
	if paused <= maxPause {
		return
	}
	b.natsClock.Forget()
	b.checkSoon() // it asks the clock of NATS again
	b.pulse, b.resumed, b.trusted = now, now, b.arrivals+1
	b.log.Warn("this process has stood still; pages may have moved to other nodes", "for", paused.Round(time.Millisecond))
}
