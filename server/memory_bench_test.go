package server

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/heartbeatd/heartbeatd/transport"
)

// BenchmarkIdleSession measures the memory of a page without its connection: ten thousand
// pages, each with one entry in the room of a post of its own.
func BenchmarkIdleSession(b *testing.B) {
	const pages = 10_000
	for b.Loop() {
		s, _ := benchServer(b)
		hellos := make([]transport.Hello, pages)
		for i := range hellos {
			hellos[i] = transport.Hello{
				Ticket: benchTicket(b, i+1), Conn: fmt.Sprintf("page-%08d", i),
				Body: fmt.Sprintf("data%%5Bpresence-editor-ping%%5D%%5Bpost_id%%5D=%d&_nonce=0123456789&action=heartbeat&screen_id=post&has_focus=true", i+1),
			}
		}
		r := httptest.NewRequestWithContext(context.Background(), "GET", "/heartbeat/socket", nil)
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		sessions := make([]transport.Session, pages)
		for i := range hellos {
			var err error
			if sessions[i], _, err = s.Open(r, hellos[i], new(transport.Outbox)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/pages, "B/page")
		runtime.KeepAlive(sessions)
		runtime.KeepAlive(hellos)
	}
}
