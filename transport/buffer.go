package transport

import "sync"

const (
	// smallBuffer holds a beat, or a tick and some presence frames.
	smallBuffer = 2 << 10
	// maxBatch is the largest number of bytes of frames in one write. A larger frame is
	// written alone.
	maxBatch = 32 << 10
)

// buffer holds a frame that is read, or the frames of one write. An idle connection has
// none.
type buffer struct {
	bytes []byte

	// Used by writeNonblocking, so that it allocates nothing.
	written int
	err     error
	try     func(fd uintptr) bool
}

var buffers = sync.Pool{New: func() any { return &buffer{bytes: make([]byte, 0, smallBuffer)} }}

// small are buffers that have never grown. They are for what clients send: it must not make
// the others large.
var small = sync.Pool{New: func() any { return &buffer{bytes: make([]byte, 0, smallBuffer)} }}

func borrowSmall() *buffer {
	b := small.Get().(*buffer)
	b.bytes = b.bytes[:0]
	return b
}

// giveBackSmall ends the use of a buffer of borrowSmall. One that grew is not kept.
func (b *buffer) giveBackSmall() {
	if cap(b.bytes) == smallBuffer {
		small.Put(b)
	}
}

func borrow() *buffer {
	b := buffers.Get().(*buffer)
	b.bytes = b.bytes[:0]
	return b
}

// giveBack ends the use of a buffer. One that grew for a large frame is not kept.
func (b *buffer) giveBack() {
	if cap(b.bytes) <= 2*maxBatch {
		buffers.Put(b)
	}
}
