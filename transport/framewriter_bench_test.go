//go:build unix

package transport

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// variants are what the benchmarks compare: all optimisations of the frameWriter, and all
// but one.
var variants = []struct {
	name string
	off  switches
}{
	{"all", switches{}},
	{"library", switches{raw: true}},
	{"blocking", switches{nonblocking: true}},
	{"unbatched", switches{batches: true}},
	{"unshared", switches{shared: true}},
	{"unyielding", switches{yield: true}},
	{"noreader", switches{reader: true}},
}

func compare(b *testing.B, names string, run func(b *testing.B, off switches)) {
	for _, v := range variants {
		if slices.Contains(strings.Fields(names), v.name) {
			b.Run(v.name, func(b *testing.B) { run(b, v.off) })
		}
	}
}

// benchNode is a node with pages whose clients count the bytes that they read.
type benchNode struct {
	*pages
	clients []net.Conn
	read    atomic.Int64
	reading sync.WaitGroup
	close   func()
}

// newBenchNode connects n pages. A client is a connection and a goroutine only, so that it
// takes little processor time.
func newBenchNode(b *testing.B, n int, off switches) *benchNode {
	a := &benchNode{pages: &pages{echo: echo{detached: make(chan *Outbox, n)}}}
	ws := &WebSocket{Server: a, CheckOrigin: func(*http.Request) bool { return true }, off: off}
	s := httptest.NewServer(ws)
	for range n {
		a.clients = append(a.clients, rawClient(b, s.URL))
	}
	a.close = func() {
		for _, c := range a.clients {
			_ = c.Close()
		}
		a.reading.Wait()
		ws.Wait()
		s.Close()
	}
	return a
}

// rawClient opens a WebSocket, reads the welcome and the first frame, and returns the
// connection.
func rawClient(b *testing.B, url string) net.Conn {
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+Subprotocol+"\r\n\r\n"+masked(`{"type":"hello"}`))
	if err != nil {
		b.Fatal(err)
	}
	r := bufio.NewReader(c)
	if _, err := http.ReadResponse(r, nil); err != nil {
		b.Fatal(err)
	}
	for range 2 {
		header := make([]byte, 2)
		if _, err := io.ReadFull(r, header); err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(header[1])); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// masked returns a client's text frame with a mask of zeros.
func masked(text string) string {
	header := "\x81" + string([]byte{0x80 | byte(len(text))})
	if len(text) > 125 {
		header = "\x81\xfe" + string([]byte{byte(len(text) >> 8), byte(len(text))})
	}
	return header + "\x00\x00\x00\x00" + text
}

// startReading makes the clients read.
func (a *benchNode) startReading() {
	for _, c := range a.clients {
		a.reading.Go(func() {
			p := make([]byte, 4<<10)
			for {
				n, err := c.Read(p)
				a.read.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
}

// await waits until the clients have read this number of bytes.
func (a *benchNode) await(total int64) {
	for a.read.Load() < total {
		time.Sleep(20 * time.Microsecond)
	}
}

// cpu measures the processor time of the process for each operation. It depends less on
// other programs on the machine than the elapsed time does.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkPush sends one frame to each of 500 pages.
func BenchmarkPush(b *testing.B) {
	frame := []byte(`{"type":"push","data":"` + strings.Repeat("x", 200) + `"}`)
	compare(b, "all library blocking unshared unyielding", func(b *testing.B, off switches) {
		a := newBenchNode(b, 500, off)
		defer a.close()
		a.startReading()
		size, want := int64(len(appendHeader(nil, len(frame)))+len(frame))*500, int64(0)
		b.ReportAllocs()
		b.ResetTimer()
		report := cpu(b)
		for range b.N {
			for _, out := range a.outs {
				out.Send(frame)
			}
			want += size
			a.await(want)
		}
		report()
	})
}

// BenchmarkBurst sends twenty frames to one page at once.
func BenchmarkBurst(b *testing.B) {
	frame := []byte(`{"type":"push","data":"` + strings.Repeat("x", 200) + `"}`)
	compare(b, "all library unbatched", func(b *testing.B, off switches) {
		a := newBenchNode(b, 1, off)
		defer a.close()
		a.startReading()
		size, want := int64(len(appendHeader(nil, len(frame)))+len(frame))*20, int64(0)
		b.ReportAllocs()
		b.ResetTimer()
		report := cpu(b)
		for range b.N {
			for range 20 {
				a.outs[0].Send(frame)
			}
			want += size
			a.await(want)
		}
		report()
	})
}

// BenchmarkStream receives frames over a connection, as a node does from NATS, and sends
// each to 1000 pages. The latency is the time from the source to the last page.
func BenchmarkStream(b *testing.B) {
	const pages, frameSize = 1000, 64
	compare(b, "all unyielding unbatched", func(b *testing.B, off switches) {
		a := newBenchNode(b, pages, off)
		defer a.close()
		a.startReading()
		source, node := loopback(b)
		defer func() { _, _ = source.Close(), node.Close() }()
		done := make(chan struct{})
		go func() {
			defer close(done)
			p := make([]byte, frameSize)
			for {
				if _, err := io.ReadFull(node, p); err != nil {
					return
				}
				frame := slices.Clone(p)
				for _, out := range a.outs {
					out.Send(frame)
				}
			}
		}()
		b.ResetTimer()
		report := cpu(b)
		frame := []byte(strings.Repeat("x", frameSize))
		const size = int64(2+frameSize) * pages
		var latency []time.Duration
		var started []time.Time
		for n := range b.N {
			started = append(started, time.Now())
			if _, err := source.Write(frame); err != nil {
				b.Fatal(err)
			}
			time.Sleep(500 * time.Microsecond)
			for len(latency) < n+1 && a.read.Load() >= size*int64(len(latency)+1) {
				latency = append(latency, time.Since(started[len(latency)]))
			}
			for n-len(latency) > 100 { // the largest number of frames in flight
				time.Sleep(20 * time.Microsecond)
				for len(latency) < n+1 && a.read.Load() >= size*int64(len(latency)+1) {
					latency = append(latency, time.Since(started[len(latency)]))
				}
			}
		}
		for len(latency) < b.N {
			a.await(size * int64(len(latency)+1))
			latency = append(latency, time.Since(started[len(latency)]))
		}
		report()
		slices.Sort(latency)
		b.ReportMetric(float64(latency[len(latency)/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(latency[len(latency)*99/100].Microseconds()), "p99-us")
		b.StopTimer()
		_ = source.Close()
		<-done
	})
}

// BenchmarkBeat sends a beat and reads its tick.
func BenchmarkBeat(b *testing.B) {
	compare(b, "all library noreader", func(b *testing.B, off switches) {
		a := newBenchNode(b, 1, off)
		defer a.close()
		c := a.clients[0]
		beat := []byte(masked(benchBeat))
		p := make([]byte, 4<<10)
		b.ReportAllocs()
		b.ResetTimer()
		report := cpu(b)
		for range b.N {
			if _, err := c.Write(beat); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Read(p); err != nil {
				b.Fatal(err)
			}
		}
		report()
	})
}

// BenchmarkBeatWhilePushing sends a beat while frames go to 1000 other pages.
func BenchmarkBeatWhilePushing(b *testing.B) {
	frame := []byte(`{"type":"push","data":"` + strings.Repeat("x", 200) + `"}`)
	compare(b, "all unyielding unshared", func(b *testing.B, off switches) {
		a := newBenchNode(b, 1001, off)
		defer a.close()
		c := a.clients[1000]
		a.clients = a.clients[:1000]
		defer func() { _ = c.Close() }()
		a.startReading()
		ctx, cancel := context.WithCancel(context.Background())
		var pushing sync.WaitGroup
		pushing.Go(func() {
			size, want := int64(len(appendHeader(nil, len(frame)))+len(frame))*1000, int64(0)
			for ctx.Err() == nil {
				for _, out := range a.outs[:1000] {
					out.Send(frame)
				}
				want += size
				a.await(want)
			}
		})
		beat := []byte(masked(benchBeat))
		p := make([]byte, 4<<10)
		var latency []time.Duration
		b.ResetTimer()
		for range b.N {
			time.Sleep(time.Millisecond)
			started := time.Now()
			if _, err := c.Write(beat); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Read(p); err != nil {
				b.Fatal(err)
			}
			latency = append(latency, time.Since(started))
		}
		slices.Sort(latency)
		b.ReportMetric(float64(latency[len(latency)/2].Microseconds()), "p50-us")
		b.ReportMetric(float64(latency[len(latency)*99/100].Microseconds()), "p99-us")
		b.StopTimer()
		cancel()
		pushing.Wait()
	})
}

// BenchmarkIdlePage measures the heap memory of an idle page, without the stacks of its
// goroutines.
func BenchmarkIdlePage(b *testing.B) {
	compare(b, "all library", func(b *testing.B, off switches) {
		const n = 500
		heap := func() float64 {
			var m runtime.MemStats
			for range 3 { // the second run frees the contents of pools, the third their finalizers
				runtime.GC()
			}
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		for b.Loop() {
			before := heap()
			a := newBenchNode(b, n, off)
			b.ReportMetric((heap()-before)/n, "B/page")
			a.close()
		}
	})
}
