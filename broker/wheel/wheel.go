// Package wheel spreads repeated work on many items over time.
package wheel

import (
	"hash/maphash"
	"iter"
	"time"
)

// Slots is the number of slots over which the work is spread: at a turn of 20 s, one each 200 ms.
const Slots = 100

// Wheel is a timing wheel. Every item is in one of its slots, most often in its home slot. The home
// depends on the item's name alone, so that 10,000 items that were worked on at once, after an
// outage, are not always worked on at once. It is not safe for concurrent use.
type Wheel[T item] struct {
	seed   maphash.Seed
	slots  [Slots][]T
	next   int
	turned int // slots since the start
}

// Place is the place of an item in a wheel. Items embed it.
type Place struct {
	index      int32 // in its slot
	home, slot uint8
}

type item interface {
	comparable
	place() *Place
}

func (p *Place) place() *Place { return p }

// Home returns the home slot of an item, below Slots.
func (p *Place) Home() int { return int(p.home) }

// New returns an empty wheel.
func New[T item]() *Wheel[T] { return &Wheel[T]{seed: maphash.MakeSeed()} }

// Add adds an item.
func (w *Wheel[T]) Add(it T, name string) {
	p := it.place()
	p.home = uint8(maphash.String(w.seed, name) % Slots)
	w.put(it, p.home)
}

func (w *Wheel[T]) put(it T, slot uint8) {
	p := it.place()
	p.slot, p.index = slot, int32(len(w.slots[slot]))
	w.slots[slot] = append(w.slots[slot], it)
}

// Remove removes an item.
func (w *Wheel[T]) Remove(it T) {
	p := it.place()
	in := w.slots[p.slot]
	last := len(in) - 1
	in[p.index] = in[last]
	in[p.index].place().index = p.index
	clear(in[last:])
	w.slots[p.slot] = in[:last]
}

func (w *Wheel[T]) move(it T, slot uint8) {
	if slot != it.place().slot {
		w.Remove(it)
		w.put(it, slot)
	}
}

// ToHome moves an item to its home slot.
func (w *Wheel[T]) ToHome(it T) { w.move(it, it.place().home) }

// Plan moves an item to the slot that the wheel reaches after some steps.
func (w *Wheel[T]) Plan(it T, steps int) {
	steps = min(max(steps, 1), Slots)
	w.move(it, uint8((w.next+steps-1)%Slots))
}

// Turn returns the number of slots that are due for the first time when the wheel has been running
// for some time, with a step between two slots: several if the machine was busy, but at most all.
func (w *Wheel[T]) Turn(running, step time.Duration) int {
	due := min(int(running/step)-w.turned, Slots)
	w.turned = int(running / step)
	return due
}

// Next yields the items of the next slot, each of which may be removed or moved meanwhile.
func (w *Wheel[T]) Next() iter.Seq[T] {
	slot := w.next
	w.next = (slot + 1) % Slots
	return func(yield func(T) bool) {
		for i := len(w.slots[slot]) - 1; i >= 0; i-- { // backwards, since removing an item moves the last one to its place
			if !yield(w.slots[slot][i]) {
				return
			}
		}
	}
}
