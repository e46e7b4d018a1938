package transport

import "sync"

const (
	// smallBuffer holds a beat, or a tick and some news.
	smallBuffer = 2 << 10
	// oneWrite is how many bytes of frames go out in one write. A larger frame
	// goes out alone.
	oneWrite = 32 << 10
)

// buffer holds what is being read or written. It is borrowed for one frame, or
// for one write: a connection at rest has none.
type buffer struct {
	bytes []byte

	// What writeAtOnce works with, so that it allocates nothing.
	written int
	err     error
	attempt func(fd uintptr) bool
}

var buffers = sync.Pool{New: func() any { return &buffer{bytes: make([]byte, 0, smallBuffer)} }}

func borrow() *buffer {
	b := buffers.Get().(*buffer)
	b.bytes = b.bytes[:0]
	return b
}

// giveBack ends the use of a buffer. One that had to grow for a rare large
// frame is not kept.
func (b *buffer) giveBack() {
	if cap(b.bytes) <= 2*oneWrite {
		buffers.Put(b)
	}
}
