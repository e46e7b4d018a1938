//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
)

// BenchmarkDeflate writes frames with permessage-deflate, which heartbeatd does not use, and
// without it: the time and the bytes on the wire of a frame, and the memory of a connection. The
// client reads the bytes and does not decompress them.
func BenchmarkDeflate(b *testing.B) {
	frames := []struct {
		name string
		text []byte
	}{
		{"tick of 1 KiB", deflateFrame(4, `{"client_id":"user-%d","user_id":%[1]d,"display_name":"Editor %[1]d","avatar_url":"https://secure.gravatar.com/avatar/%[2]s?s=64&d=mm&r=g","data":{"screen":"dashboard","screen_label":"Dashboard"},"date_gmt":"2026-11-23 05:20:%02[3]d","idle":false}`)},
		{"50 dates", deflateFrame(50, `{"client_id":"user-%d","date_gmt":"2026-11-23 05:20:%02[3]d"}`)},
		{"snapshot of 200", deflateFrame(200, `{"client_id":"user-%d","user_id":%[1]d,"display_name":"Editor %[1]d","avatar_url":"https://secure.gravatar.com/avatar/%[2]s?s=64&d=mm&r=g","data":{"screen":"dashboard","screen_label":"Dashboard"},"date_gmt":"2026-11-23 05:20:%02[3]d","idle":false}`)},
	}
	modes := []struct {
		name string
		mode websocket.CompressionMode
	}{{"off", websocket.CompressionDisabled}, {"no takeover", websocket.CompressionNoContextTakeover}, {"takeover", websocket.CompressionContextTakeover}}
	for _, f := range frames {
		for _, m := range modes {
			b.Run(fmt.Sprintf("%s, %d B/%s", f.name, len(f.text), m.name), func(b *testing.B) {
				s := newDeflateServer(b, m.mode)
				c := s.connect(b)
				before := s.written.Load()
				for b.Loop() {
					if err := c.Write(b.Context(), websocket.MessageText, f.text); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(s.written.Load()-before)/float64(b.N), "wire-B/frame")
			})
		}
	}
	for _, m := range modes {
		b.Run("memory/"+m.name, func(b *testing.B) {
			const conns = 500
			for b.Loop() {
				s := newDeflateServer(b, m.mode)
				open := make([]*websocket.Conn, conns)
				before := liveHeap()
				for i := range open {
					open[i] = s.connect(b)
					if err := open[i].Write(b.Context(), websocket.MessageText, frames[2].text); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(liveHeap()-before)/conns, "B/conn")
				runtime.KeepAlive(open)
			}
		})
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// deflateFrame returns a frame with so many entries of a format: of the number, an avatar and the
// second.
func deflateFrame(entries int, format string) []byte {
	var list []string
	for i := range entries {
		hash := sha256.Sum256([]byte{byte(i)})
		list = append(list, fmt.Sprintf(format, 100+i*7, hex.EncodeToString(hash[:]), i*13%60))
	}
	return []byte(`{"type":"presence","room":"admin/online","updated":[` + strings.Join(list, ",") + `]}`)
}

// deflateServer accepts WebSockets with a mode of compression, and counts the bytes that it writes.
type deflateServer struct {
	*httptest.Server
	written  atomic.Int64
	accepted chan *websocket.Conn
}

func newDeflateServer(b *testing.B, mode websocket.CompressionMode) *deflateServer {
	s := &deflateServer{accepted: make(chan *websocket.Conn)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, CompressionThreshold: 512})
		if err == nil {
			s.accepted <- c
		}
	}))
	s.Listener = countingListener{s.Listener, &s.written}
	s.Start()
	b.Cleanup(s.Close)
	return s
}

// connect opens a WebSocket and returns the server's side.
func (s *deflateServer) connect(b *testing.B) *websocket.Conn {
	b.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, bufio.NewReader(c)) }()
	accepted := <-s.accepted
	b.Cleanup(func() { _ = accepted.CloseNow() })
	return accepted
}

type countingListener struct {
	net.Listener
	written *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.written}, err
}

type countingConn struct {
	net.Conn
	written *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}
