package broker

import (
	"hash/maphash"
	"time"
)

// slots spreads the renewals over a third of the TTL: at 60 s, a hundredth of
// all keys each 200 ms.
const slots = 100

// wheel has every item in one of its slots, most often its home. Which one that
// is depends on the key alone, so that 10,000 keys written at once, after NATS
// was gone, are not renewed at once for ever after.
type wheel struct {
	seed  maphash.Seed
	slots [slots][]*item
	next  int

	turned int // slots since the start; the renewer's
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

// plan moves an item to where the wheel is after so many steps.
func (w *wheel) plan(it *item, steps int) {
	steps = min(max(steps, 1), slots)
	w.move(it, uint8((w.next+steps-1)%slots))
}

// behind is how many slots are due, that long after the start: more than one
// when the machine was too busy to come by for each, never more than all.
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

// turnWheel renews what is in the next slot, but not what a beat wrote in the
// last sixth of a TTL: that is moved to where it will be renewed before a third
// is over. So however a page beats, no key is left alone for longer than a third
// of the TTL and the time that the machine and NATS are late; to its end it has
// two thirds of the TTL.
func (b *Broker) renewSlot() {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wheel
	slot := w.next
	w.next = (slot + 1) % slots
	now := time.Now()
	for i := len(w.slots[slot]) - 1; i >= 0; i-- { // from the end, which takes the place of what goes
		it := w.slots[slot][i]
		switch {
		case it.busy:
		case it.goal != renewed && now.After(it.until):
			b.dropExpired(it) // its marker should have come; NATS is away, or there is nobody else
		case it.isDue() || it.leaves():
			b.enqueue(it)
		case it.goal == renewed && !it.isLate() && b.sentWithin(it, b.ttl/6):
			b.plan(it, b.ttl/3)
		case it.goal == renewed:
			it.repeat()
			b.enqueue(it)
			w.move(it, it.home)
		default:
			w.plan(it, int(it.until.Sub(now)/b.step())+1)
		}
	}
}
