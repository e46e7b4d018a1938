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

// renewer turns the wheel once in a third of the TTL. On a machine too busy
// to wake it for each slot it takes several at once rather than fall behind.
func (b *Broker) renewer() {
	step := b.ttl / 3 / slots
	tick := time.NewTicker(step)
	defer tick.Stop()
	start := time.Now()
	for turned := 0; ; {
		select {
		case <-tick.C:
			due := int(time.Since(start) / step)
			for turned = max(turned, due-slots); turned < due; turned++ {
				b.turnWheel()
			}
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
