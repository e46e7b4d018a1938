//go:build unix

package transport

import (
	"os"
	"runtime"
	"syscall"
)

// turn lets others have the processor. As long as there is work, Go's scheduler
// asks only every 10 ms what has come by the network; when a goroutine waits for
// something of it, here for a pipe, it asks at once. So a push that comes while
// another is written to a thousand pages goes out together with it.
type turn struct {
	pipe  []*os.File // kept open; none until the first turn
	r, w  syscall.RawConn
	asked bool
}

// turnPool has the turns that no writer has: their pipes are used again.
type turnPool chan *turn

var turns = make(turnPool, maxWriters)

func (p turnPool) take() *turn {
	select {
	case t := <-p:
		return t
	default:
		return new(turn)
	}
}

func (p turnPool) giveBack(t *turn) {
	if t.pipe == nil {
		return
	}
	select {
	case p <- t:
	default: // more writers were at work at once than one node has
		t.close()
	}
}

// give returns when others had their turn.
func (t *turn) give() {
	if t.pipe != nil || t.open() == nil {
		t.asked = false
		if t.r.Read(t.wait) == nil && t.asked {
			return
		}
		t.close() // the pipe is none that can be waited for
	}
	runtime.Gosched()
}

func (t *turn) open() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	t.pipe = []*os.File{r, w}
	if t.r, err = r.SyscallConn(); err == nil {
		t.w, err = w.SyscallConn()
	}
	if err != nil {
		t.close()
	}
	return err
}

func (t *turn) close() {
	for _, f := range t.pipe {
		_ = f.Close()
	}
	t.pipe = nil
}

// wait is called twice: when nothing is in the pipe yet, and when something is.
func (t *turn) wait(fd uintptr) bool {
	if !t.asked {
		err := t.w.Write(t.ask)
		return err != nil || !t.asked // without a byte nobody would end the wait
	}
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return err != syscall.EAGAIN
}

func (t *turn) ask(fd uintptr) bool {
	n, _ := syscall.Write(int(fd), []byte{0})
	t.asked = n == 1
	return true
}
