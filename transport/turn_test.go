//go:build unix

package transport

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestTurn has one busy goroutine on one processor: what comes by the network
// while it works is read when it has given turns.
func TestTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	from, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
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
	turn := takeTurn()
	defer turn.giveBack()
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

// TestTurnAgain uses a pipe again, and not more of them than there are writers.
func TestTurnAgain(t *testing.T) {
	taken := make([]*turn, maxWriters+1)
	for i := range taken {
		taken[i] = takeTurn()
		taken[i].give()
	}
	for _, turn := range taken {
		turn.giveBack()
	}
	if len(turns) != maxWriters {
		t.Errorf("%d are kept, want %d", len(turns), maxWriters)
	}
	if last := taken[maxWriters]; last.pipe != nil {
		t.Error("the pipe of one too many stays open")
	}
	first := takeTurn()
	defer first.giveBack()
	if first.pipe == nil {
		t.Error("a pipe is not used again")
	}
	first.give()
}
