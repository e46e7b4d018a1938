//go:build unix

package transport

import (
	"os"
	"runtime"
	"syscall"
)

// yielder lets the network poller run while a goroutine is busy. As long as goroutines are
// ready to run, Go's scheduler polls the network only every 10 ms. When a goroutine waits
// for the network, here for a pipe, the scheduler polls at once. So a push that arrives
// while another one is written to a thousand pages is read at once, and both are written
// together.
type yielder struct {
	pipe []*os.File // both ends; none until the first yield
	r, w syscall.RawConn
	sent bool // the pipe has a byte
}

// yielderPool has the yielders that no writer uses, with their pipes.
type yielderPool chan *yielder

var yielders = make(yielderPool, maxWriters)

func (p yielderPool) get() *yielder {
	select {
	case y := <-p:
		return y
	default:
		return new(yielder)
	}
}

func (p yielderPool) put(y *yielder) {
	if y.pipe == nil {
		return
	}
	select {
	case p <- y:
	default: // the pool is full: several nodes in one process have more writers
		y.close()
	}
}

// yield lets other goroutines run, including those that the network poller makes ready.
func (y *yielder) yield() {
	if y.pipe != nil || y.open() == nil {
		y.sent = false
		if y.r.Read(y.read) == nil && y.sent {
			return
		}
		y.close() // the pipe is broken
	}
	runtime.Gosched()
}

func (y *yielder) open() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	y.pipe = []*os.File{r, w}
	if y.r, err = r.SyscallConn(); err == nil {
		y.w, err = w.SyscallConn()
	}
	if err != nil {
		y.close()
	}
	return err
}

func (y *yielder) close() {
	for _, f := range y.pipe {
		_ = f.Close()
	}
	y.pipe = nil
}

// read is called twice by the RawConn: before there is a byte in the pipe, and when there
// is one. It returns false to wait for the byte.
func (y *yielder) read(fd uintptr) bool {
	if !y.sent {
		err := y.w.Write(y.write)
		return err != nil || !y.sent // without a byte the wait would never end
	}
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return err != syscall.EAGAIN
}

func (y *yielder) write(fd uintptr) bool {
	n, _ := syscall.Write(int(fd), []byte{0})
	y.sent = n == 1
	return true
}
