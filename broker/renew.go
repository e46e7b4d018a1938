package broker

import (
	"hash/maphash"
	"time"
)

// slots is the number of slots over which renewals are spread: at a TTL of 60 s, one each
// 200 ms.
const slots = 100

// wheel is a timing wheel. Every item is in one of its slots, most often in its home slot.
// The home depends on the key alone, so that 10,000 keys that were written at once, after
// an outage of NATS, are not always renewed at once.
type wheel struct {
	seed  maphash.Seed
	slots [slots][]*item
	next  int

	turned int // slots since the start; used by the renewer only
}

func newWheel() *wheel { return &wheel{seed: maphash.MakeSeed()} }

func (w *wheel) add(it *item) {
	it.home = uint8(maphash.String(w.seed, it.name) % slots)
	w.put(it, it.home)
}

func (w *wheel) put(it *item, slot uint8) {
	it.slot, it.index = slot, int32(len(w.slots[slot]))
	w.slots[slot] = append(w.slots[slot], it)
}

func (w *wheel) remove(it *item) {
	in := w.slots[it.slot]
	last := len(in) - 1
	in[it.index] = in[last]
	in[it.index].index = it.index
	in[last] = nil
	w.slots[it.slot] = in[:last]
}

func (w *wheel) move(it *item, slot uint8) {
	if slot != it.slot {
		w.remove(it)
		w.put(it, slot)
	}
}

// plan moves an item to the slot that the wheel reaches after some steps.
func (w *wheel) plan(it *item, steps int) {
	steps = min(max(steps, 1), slots)
	w.move(it, uint8((w.next+steps-1)%slots))
}

// behind returns the number of slots that are due: several if the machine was busy, but at
// most all.
func (w *wheel) behind(running, step time.Duration) int {
	return min(int(running/step)-w.turned, slots)
}

// renewer turns the wheel once in a third of the TTL.
func (b *Broker) renewer() {
	step := b.step()
	tick := time.NewTicker(step)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-tick.C:
			running := time.Since(start)
			for range b.wheel.behind(running, step) {
				b.renewSlot()
			}
			b.wheel.turned = int(running / step)
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
	slot := w.next
	w.next = (slot + 1) % slots
	now := time.Now()
	for i := len(w.slots[slot]) - 1; i >= 0; i-- { // backwards, since removing an item moves the last one to its place
		it := w.slots[slot][i]
		switch {
		case it.busy && it.goal == renewed:
		case it.busy:
			w.plan(it, 1) // it may end soon
		case it.goal != renewed && now.After(it.until):
			b.dropExpired(it) // there is no delete marker if NATS cannot be reached, or if no view watches it
		case it.isDue() || it.leaves():
			b.enqueue(it)
			if it.goal != renewed {
				w.plan(it, 1)
			}
		case b.renews(it, now) && !it.isLate() && b.sentWithin(it, b.ttl/6):
			b.plan(it, b.ttl/3)
		case b.renews(it, now):
			it.repeat()
			b.counts.Renewals++
			b.enqueue(it)
			w.move(it, it.home)
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
	b.wheel.plan(it, int(time.Until(it.until)/b.step())+1)
}
