//go:build unix

package transport

import (
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
)

// loopback is a connection and its other end.
func loopback(t *testing.T) (from, to net.Conn) {
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

// TestTurn has one busy goroutine on one processor: what comes by the network
// while it works is read when it has given turns.
func TestTurn(t *testing.T) {
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
	turn := turns.take()
	defer turns.giveBack(turn)
	late := 0
	for n := int64(1); n <= 1000; n++ {
		if _, err := from.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		turn.give() // one may go to this goroutine itself: both are ready
		if turn.give(); read.Load() != n {
			late++
		}
		for read.Load() != n {
			runtime.Gosched()
		}
	}
	if late > 100 { // without turns it is most of them
		t.Errorf("%d of 1000 were not read within two turns", late)
	}
	_ = to.Close()
	<-ended
}

// TestWritersGiveTurns has a writer write for many sockets on one processor: who
// reads what they are sent does so meanwhile.
func TestWritersGiveTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const sockets = 32 * fairTurn
	from, to := loopback(t)
	c, ok := from.(syscall.Conn)
	if !ok {
		t.Fatal("it is not the system's")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	frame := []byte(`{"type":"push"}`)
	reads := make(chan int)
	go func() {
		b, n := make([]byte, 1<<20), 0
		for left := sockets * (2 + len(frame)); left > 0; n++ {
			got, err := to.Read(b)
			if err != nil {
				break
			}
			left -= got
		}
		reads <- n
	}()
	runtime.Gosched() // it waits
	w := &writers{running: maxWriters}
	for range sockets {
		s := &socket{node: &WebSocket{}, wire: &wire{Conn: from, raw: raw}, more: true, queued: true}
		s.out.Send(frame)
		s.running.Add(1)
		w.add(s)
	}
	w.run()
	if n := <-reads; n < sockets/fairTurn/2 {
		t.Errorf("read %d times while %d sockets were written to", n, sockets)
	}
}

// TestTurnAgain uses a pipe again, and keeps no more than there is room for.
func TestTurnAgain(t *testing.T) {
	pool := make(turnPool, 2)
	taken := []*turn{pool.take(), pool.take(), pool.take()}
	for _, turn := range taken {
		turn.give()
	}
	pool.giveBack(new(turn)) // it has no pipe
	for _, turn := range taken {
		pool.giveBack(turn)
	}
	if len(pool) != 2 || taken[2].pipe != nil {
		t.Errorf("%d are kept, and a third has %v", len(pool), taken[2].pipe)
	}
	first := pool.take()
	if first != taken[0] || first.pipe == nil {
		t.Error("a pipe is not used again")
	}
	first.give()
}

// TestTurnWithoutPipe goes on when the pipe cannot be waited for, with another.
func TestTurnWithoutPipe(t *testing.T) {
	turn := new(turn)
	turn.give()
	for _, f := range turn.pipe {
		_ = f.Close()
	}
	if turn.give(); turn.pipe != nil {
		t.Error("a pipe that is closed is kept")
	}
	if turn.give(); turn.pipe == nil || !turn.asked {
		t.Error("there is no other pipe")
	}
	turn.close()
}
