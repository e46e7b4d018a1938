//go:build unix

package transport

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// loopback returns both ends of a TCP connection.
func loopback(t testing.TB) (from, to net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if from, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if to, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = from.Close(), to.Close() })
	return from, to
}

// TestYield has a busy goroutine on a single processor, and checks that another goroutine
// reads from its connection when the busy one yields.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	from, to := loopback(t)
	var read atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1)
		for {
			if _, err := to.Read(b); err != nil {
				return
			}
			read.Add(1)
		}
	}()
	y := yielders.get()
	defer yielders.put(y)
	late := 0
	for n := int64(1); n <= 1000; n++ {
		if _, err := from.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		y.yield() // both goroutines are ready, and this one may run first
		if y.yield(); read.Load() != n {
			late++
		}
		for read.Load() != n {
			runtime.Gosched()
		}
	}
	if late > 100 { // without yield it is most of them
		t.Errorf("%d of 1000 bytes were not read after two yields", late)
	}
	_ = to.Close()
	<-ended
}

// TestSharedWriterYields has a shared writer write for many pages on a single processor, and
// checks that the goroutine that reads runs meanwhile.
func TestSharedWriterYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const pages = 32 * yieldAfter
	from, to := loopback(t)
	frame := []byte(`{"type":"push"}`)
	reads := make(chan int)
	go func() {
		b, n := make([]byte, 1<<20), 0
		for left := pages * (2 + len(frame)); left > 0; n++ {
			got, err := to.Read(b)
			if err != nil {
				break
			}
			left -= got
		}
		reads <- n
	}()
	runtime.Gosched() // lets the reader start
	shared := &sharedWriters{running: maxWriters}
	for range pages {
		w := &frameWriter{shared: shared, raw: &rawConn{Conn: from, sys: systemConn(from)}, more: true, queued: true}
		w.out.Send(frame)
		w.running.Add(1)
		shared.add(w)
	}
	shared.run()
	if n := <-reads; n < pages/yieldAfter/2 {
		t.Errorf("read %d times while %d pages were written to", n, pages)
	}
}

// TestYielderPool checks that the pool keeps pipes for later use, up to its size.
func TestYielderPool(t *testing.T) {
	pool := make(yielderPool, 2)
	used := []*yielder{pool.get(), pool.get(), pool.get()}
	for _, y := range used {
		y.yield()
	}
	pool.put(new(yielder)) // has no pipe, and is not kept
	for _, y := range used {
		pool.put(y)
	}
	if len(pool) != 2 || used[2].pipe != nil {
		t.Errorf("the pool has %d yielders, want 2; the third has the pipe %v", len(pool), used[2].pipe)
	}
	first := pool.get()
	if first != used[0] || first.pipe == nil {
		t.Error("the pool does not return the first yielder with its pipe")
	}
	first.yield()
	first.close()
	pool.get().close()
}

// TestYieldWithBrokenPipe checks that a yielder replaces a broken pipe.
func TestYieldWithBrokenPipe(t *testing.T) {
	y := new(yielder)
	y.yield()
	for _, f := range y.pipe {
		_ = f.Close()
	}
	if y.yield(); y.pipe != nil {
		t.Error("a closed pipe is kept")
	}
	if y.yield(); y.pipe == nil || !y.sent {
		t.Error("the yielder did not open another pipe")
	}
	y.close()
}
