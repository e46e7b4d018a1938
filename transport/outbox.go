package transport

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Limits of an Outbox, in bytes of frames that wait.
const (
	// softLimit is the limit above which Offer refuses frames. The session sends a snapshot
	// instead when the client has caught up. It is also the limit of frames that stay after Sent.
	softLimit = 64 << 10
	// MinQueueBytes is the least limit above which Send ends the connection: there is room for
	// a tick behind the frames of Offer. DefaultQueueBytes is the usual one. That is larger
	// than a tick of MaxBody.
	MinQueueBytes     = 2 * softLimit
	DefaultQueueBytes = 2 << 20
)

// Outbox holds the frames that wait for one connection, numbered from 1. The session adds
// frames, and the transport sends them. A frame stays until the transport calls Ack, when
// the frame is written to a socket, or when the next poll acknowledges it. After an event
// stream has called Sent, it stays until the next write. The zero value is empty.
type Outbox struct {
	mu      sync.Mutex
	frames  [][]byte // those that an event stream has written last, and those that wait; oldest first
	sent    int      // how many of these are written
	one     [1][]byte
	last    uint64 // the number of the newest frame
	urgent  uint64 // the number of the newest frame of Send
	major   uint64 // the number of the newest frame of Offer that is not minor
	bytes   int    // of the frames that wait
	most    int    // the limit of Send; 0: DefaultQueueBytes
	bye     *Bye
	wake    func() // wakes the transport to send frames or the bye
	drained func() // tells the session that the client caught up
	behind  bool   // an Offer was refused since the client last caught up

	transport string // by which the client gets frames; empty: none yet
}

// SetTransport sets the name of the transport by which the client gets frames.
func (o *Outbox) SetTransport(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.transport = name
}

// Transport returns that name.
func (o *Outbox) Transport() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.transport
}

// end notes the bye with which the transport ends the connection.
func (o *Outbox) end(b *Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bye == nil {
		o.bye = b
	}
}

// Code returns the close code with which the connection ends, or 0 if the client or the network
// has ended it.
func (o *Outbox) Code() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bye == nil {
		return 0
	}
	return o.bye.Code
}

// OnDrained sets the function that is called, without locks, when no frame waits
// after an Offer was refused.
func (o *Outbox) OnDrained(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drained = f
}

// Limit sets above how many bytes Send ends the connection.
func (o *Outbox) Limit(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.most = bytes
}

// Send adds a frame that must not be skipped. If the client is too far behind, Send ends
// the connection instead; the client reconnects and receives what it missed.
func (o *Outbox) Send(frame []byte) {
	o.add(frame, true, &o.urgent)
}

// Offer adds a frame, unless too many bytes already wait for the client. In that case it
// returns false, and the function of OnDrained is called when the client has caught up. A
// minor frame may wait for others: a client that long-polls gets it within minorInterval.
func (o *Outbox) Offer(frame []byte, minor bool) bool {
	if minor {
		return o.add(frame, false, nil)
	}
	return o.add(frame, false, &o.major)
}

// add adds a frame, unless too many bytes would wait. If it must be sent, it ends the connection
// instead. add sets newest, if it is not nil, to the number of the frame.
func (o *Outbox) add(frame []byte, must bool, newest *uint64) bool {
	o.mu.Lock()
	limit := softLimit
	if must {
		limit = cmp.Or(o.most, DefaultQueueBytes)
	}
	if o.bye != nil {
		o.mu.Unlock()
		return true // the connection ends: the frame is not sent, and no snapshot is needed
	}
	ok := o.bytes+len(frame) <= limit || o.bytes == 0
	switch {
	case ok:
		if len(o.frames) == 0 {
			o.frames = o.one[:0] // a single frame, the usual case, needs no allocation
		}
		o.frames = append(o.frames, frame)
		o.last++
		o.bytes += len(frame)
		if newest != nil {
			*newest = o.last
		}
	case !must:
		o.behind = true
	default:
		o.bye = &Bye{Code: CodeSlow, Reason: "the client reads too slowly", RetryAfter: time.Second}
	}
	wake := o.wake
	o.mu.Unlock()
	if wake != nil {
		wake()
	}
	return ok
}

// Bye ends the connection after the frames that were added before. The first Bye counts.
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

// Start sets the function that wakes the transport when there are frames or a bye to send,
// and calls it. The function must not block. welcome is the frame of the Welcome: it is
// sent before the frames that the session has added. Sessions, which answers the hello with
// it, passes none.
func (o *Outbox) Start(wake func(), welcome ...[]byte) {
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

// fill appends the oldest frames to b as WebSocket frames: those of one write, or only one.
// It returns the number of the last of them, whether more are left, and the bye if the
// connection is to end after them.
func (o *Outbox) fill(b *buffer, onlyOne bool) (last uint64, left bool, bye *Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.last - uint64(len(o.frames))
	for i, f := range o.frames {
		if i > 0 && (onlyOne || len(b.bytes)+len(f) > maxBatch) {
			return first + uint64(i), true, nil
		}
		b.bytes = append(appendHeader(b.bytes, len(f)), f...)
	}
	return o.last, false, o.bye
}

// After returns the frames above n, the number of the last of them, and the bye if the
// connection is to end after them. It does not remove them: Ack and Sent do.
func (o *Outbox) After(n uint64) (frames [][]byte, last uint64, bye *Bye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.last - uint64(len(o.frames)) // the number before the oldest
	n = min(max(n, first), o.last)
	return slices.Clone(o.frames[n-first:]), o.last, o.bye
}

// interval returns the least time between two answers to polls of which the second has the
// frames above n.
func (o *Outbox) interval(n uint64) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.bye != nil || o.urgent > n:
		return 0
	case o.major > n, o.behind: // a refused frame may be major, and waits for these
		return majorInterval
	}
	return minorInterval
}

// Ack removes the frames up to n: the client has them.
func (o *Outbox) Ack(n uint64) { o.settle(n, n) }

// Sent notes that an event stream has written the frames above before, up to n. They do not wait any more, but stay
// until the next write: if another node has passed the stream on and stops, they have perhaps not reached the client, which
// then asks for them. Those up to before are removed: a node in between has asked for the write after them. Frames of more
// than softLimit bytes do not stay.
func (o *Outbox) Sent(before, n uint64) { o.settle(before, n) }

// settle removes the frames up to received, and notes those up to written as written.
func (o *Outbox) settle(received, written uint64) {
	o.mu.Lock()
	done := o.count(written)
	removed := min(o.count(received), done)
	for _, f := range o.frames[min(o.sent, done):done] {
		o.bytes -= len(f)
	}
	kept := 0
	for _, f := range o.frames[removed:done] {
		kept += len(f)
	}
	if kept > softLimit {
		removed = done
	}
	o.frames, o.sent = slices.Delete(o.frames, 0, removed), max(o.sent, done)-removed
	if removed > 0 {
		o.one[0] = nil // also if the frames have left it
	}
	if len(o.frames) == 0 {
		o.frames = nil // an idle page keeps no buffer
	}
	var drained func()
	if len(o.frames) == o.sent && o.behind {
		o.behind, drained = false, o.drained
	}
	o.mu.Unlock()
	if drained != nil {
		drained()
	}
}

// count returns how many of the frames there are up to n. It is called with o.mu held.
func (o *Outbox) count(n uint64) int {
	first := o.last - uint64(len(o.frames))
	return int(min(max(n, first), o.last) - first)
}
