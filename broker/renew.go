package broker

import "time"

// renewer turns the wheel once in a third of the TTL.
func (b *Broker) renewer() {
	step := b.step()
	tick := time.NewTicker(step)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-tick.C:
			for range b.wheel.Turn(time.Since(start), step) {
				b.renewSlot()
			}
		case <-b.ctx.Done():
			return
		}
	}
}

// renewSlot renews the items of the next slot. An item that a beat has written in the last
// sixth of a TTL is moved instead to a slot in which it is renewed before a third has
// passed. So a key is written at least every third of the TTL, apart from delays of the
// machine and of NATS, whatever the interval of the page's beats.
func (b *Broker) renewSlot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wheel
	now := time.Now()
	for it := range w.Next() {
		switch {
		case it.busy && it.goal == renewed:
		case it.busy:
			w.Plan(it, 1) // it may end soon
		case it.leaves() && now.After(it.until):
			b.dropExpired(it)
		case it.goal != renewed && now.After(it.until):
			b.drop(it) // views show what NATS has of it, until it announces the end or the entry's Lifetime is over
		case it.isDue() || it.leaves():
			b.enqueue(it)
			if it.goal != renewed {
				w.Plan(it, 1)
			}
		case b.renews(it, now) && !it.isLate() && b.sentWithin(it, b.ttl/6):
			b.plan(it, b.ttl/3)
		case b.renews(it, now):
			it.repeat()
			b.counts.Renewals++
			b.enqueue(it)
			w.ToHome(it)
		default:
			b.planEnd(it)
		}
	}
}

// renews reports whether an item is written again every third of the TTL: the page's link is
// here, or its value lives longer than what was written of it. The lock is held.
func (b *Broker) renews(it *item, now time.Time) bool {
	return it.goal == renewed || it.goal == expiring && it.value.ExpiresGMT != "" && it.until.Sub(now) > b.ttl/3
}

// planEnd moves an item to the slot that the wheel reaches when its value expires, or to the
// last one of this turn. The lock is held.
func (b *Broker) planEnd(it *item) {
	b.wheel.Plan(it, int(time.Until(it.until)/b.step())+1)
}
