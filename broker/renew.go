package broker

import (
	"hash/maphash"
	"time"
)

// slots spreads the renewals over a third of the TTL: at 60 s, a hundredth of
// all keys each 200 ms.
const slots = 100

// wheel has every item in one of its slots. Which one depends on the key
// alone, so that 10,000 keys written at once, after NATS was gone, are not
// renewed at once for ever after.
type wheel struct {
	seed  maphash.Seed
	slots [slots]map[*item]struct{}
	next  int

	turned int // slots since the start; the renewer's
}

func newWheel() *wheel {
	w := &wheel{seed: maphash.MakeSeed()}
	for i := range w.slots {
		w.slots[i] = map[*item]struct{}{}
	}
	return w
}

func (w *wheel) slot(it *item) map[*item]struct{} {
	return w.slots[maphash.String(w.seed, it.name)%slots]
}

func (w *wheel) add(it *item)    { w.slot(it)[it] = struct{}{} }
func (w *wheel) remove(it *item) { delete(w.slot(it), it) }

// behind is how many slots are due, that long after the start: more than one
// when the machine was too busy to come by for each, never more than all.
func (w *wheel) behind(running, step time.Duration) int {
	return min(int(running/step)-w.turned, slots)
}

// renewer turns the wheel once in a third of the TTL.
func (b *Broker) renewer() {
	step := b.ttl / 3 / slots
	tick := time.NewTicker(step)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-tick.C:
			running := time.Since(start)
			for range b.wheel.behind(running, step) {
				b.turnWheel()
			}
			b.wheel.turned = int(running / step)
		case <-b.ctx.Done():
			return
		}
	}
}

func (b *Broker) turnWheel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.wheel
	now := time.Now()
	for it := range w.slots[w.next] {
		switch {
		case it.busy:
		case !it.hold && now.After(it.until):
			b.lapse(it) // its marker should have come; NATS is away
		case it.hold || it.due || it.leaving:
			it.due = !it.leaving
			b.enqueue(it)
		}
	}
	w.next = (w.next + 1) % slots
}
