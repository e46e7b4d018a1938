package transport

import (
	"slices"
	"sync"
	"time"
)

// Bounds of an Outbox, in bytes of frames not yet taken by the client.
const (
	// softLimit is where presence frames are no longer added: the session
	// sends a snapshot instead once the client has caught up.
	softLimit = 64 << 10
	// hardLimit is where the client is told to go and come back. A tick of
	// MaxBody must fit in.
	hardLimit = 2 << 20
)

// Outbox holds the frames that one connection has still to take, numbered.
// A frame leaves it when the client has it: when it is written to a socket, or
// acknowledged by the next poll.
type Outbox struct {
	mu      sync.Mutex
	frames  [][]byte // unacknowledged, oldest first
	one     [1][]byte
	last    uint64 // the number of the newest frame
	bytes   int
	bye     *Bye
	wake    func() // tells the transport of something new; set by it
	drained func() // tells the session that the client caught up; set by it
	behind  bool   // an Offer was refused since the client last caught up
}

// OnDrained sets what is called, without locks, when a client that was too
// slow for an Offer has taken everything.
func (o *Outbox) OnDrained(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drained = f
}

// Send adds a frame that must arrive. When the client is too far behind, the
// connection is ended instead, and the client comes back for what it missed.
func (o *Outbox) Send(frame []byte) {
	o.add(frame, hardLimit)
}

// Offer adds a frame unless the client is behind; then it reports false, and
// OnDrained's function is called later.
func (o *Outbox) Offer(frame []byte) bool {
	return o.add(frame, softLimit)
}

func (o *Outbox) add(frame []byte, limit int) bool {
	o.mu.Lock()
	if o.bye != nil {
		o.mu.Unlock()
		return true // nobody will read it, and nothing is to be repaired
	}
	ok := o.bytes+len(frame) <= limit || o.bytes == 0
	switch {
	case ok:
		if len(o.frames) == 0 {
			o.frames = o.one[:0] // mostly there is one, and it needs no buffer
		}
		o.frames = append(o.frames, frame)
		o.last++
		o.bytes += len(frame)
	case limit == softLimit:
		o.behind = true
	default:
		o.bye = &Bye{Code: CodeSlow, Reason: "too much waits to be read", RetryAfter: time.Second}
	}
	wake := o.wake
	o.mu.Unlock()
	if wake != nil {
		wake()
	}
	return ok
}

// Bye ends the connection once what was sent before has been taken.
func (o *Outbox) Bye(b *Bye) {
	o.mu.Lock()
	if o.bye == nil {
		o.bye = b
	}
	wake := o.wake
	o.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// start sets the function that is called when there is something to take, and
// calls it for what came before. The welcome, if there is one, goes before it.
func (o *Outbox) start(wake func(), welcome ...[]byte) {
	o.mu.Lock()
	o.wake = wake
	o.frames = append(welcome, o.frames...)
	for _, w := range welcome {
		o.last++
		o.bytes += len(w)
	}
	o.mu.Unlock()
	wake()
}

// fill appends the oldest frames to b as WebSocket frames, as many as go out in
// one write. It returns the number of the last of them, whether more are left,
// and the bye if the connection is to end after them.
func (o *Outbox) fill(b *buffer) (last uint64, left bool, bye *Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.last - uint64(len(o.frames))
	for i, f := range o.frames {
		if i > 0 && len(b.bytes)+len(f) > oneWrite {
			return first + uint64(i), true, nil
		}
		b.bytes = append(appendHeader(b.bytes, len(f)), f...)
	}
	return o.last, false, o.bye
}

// after returns the frames above n, the number of the last of them, and the
// bye if the connection is to end after them.
func (o *Outbox) after(n uint64) ([][]byte, uint64, *Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.last - uint64(len(o.frames)) // the number before the oldest
	if n < first {
		n = first
	}
	if n > o.last {
		n = o.last
	}
	return slices.Clone(o.frames[n-first:]), o.last, o.bye
}

// ack forgets the frames up to n.
func (o *Outbox) ack(n uint64) {
	o.mu.Lock()
	first := o.last - uint64(len(o.frames))
	for len(o.frames) > 0 && first < n {
		o.bytes -= len(o.frames[0])
		o.frames[0] = nil
		o.frames = o.frames[1:]
		first++
	}
	var drained func()
	if len(o.frames) == 0 {
		o.frames, o.one[0] = nil, nil // an idle page needs no buffer
		if o.behind {
			o.behind, drained = false, o.drained
		}
	}
	o.mu.Unlock()
	if drained != nil {
		drained()
	}
}
