package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// welcomed opens a connection and reads its welcome.
func welcomed(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c := dial(t, url, Subprotocol)
	c.SetReadLimit(-1)
	say(t, c, `{"type":"hello"}`)
	if got := hear(t, c); !strings.HasPrefix(got, `{"type":"welcome"`) || !strings.Contains(got, `"alive_ms":25000`) {
		t.Fatalf("%s", got)
	}
	return c
}

func say(t *testing.T, c *websocket.Conn, frame string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kind, b, err := c.Read(ctx)
	if err != nil || kind != websocket.MessageText {
		t.Fatalf("%v %v", kind, err)
	}
	return string(b)
}

// TestFrameSizes sends frames of every header size, and larger than a pooled buffer, in both
// directions, while the client sends pings.
func TestFrameSizes(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		c := welcomed(t, serve(t, &WebSocket{off: off, Server: &echo{detached: make(chan *Outbox, 1)}}))
		for _, size := range []int{0, 1, 80, 125, 126, 500, 600, 5000, 32 << 10, 65535, 65536, MaxBody} {
			body := strings.Repeat("a", size)
			pinged := make(chan error, 1)
			go func() { pinged <- c.Ping(t.Context()) }()
			say(t, c, `{"type":"beat","id":1,"body":"`+body+`"}`)
			if want := `{"type":"tick","id":1,"status":200,"body":"` + body + `"}`; hear(t, c) != want {
				t.Errorf("the tick of a beat of %d bytes has another body", size)
			}
			until(t, "the pong", func() bool {
				say(t, c, `{"type":"beat","id":2,"body":""}`) // so that the client reads on
				hear(t, c)
				return len(pinged) > 0
			})
			if err := <-pinged; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTooLarge checks that a frame above MaxFrame is refused.
func TestTooLarge(t *testing.T) {
	c := welcomed(t, serve(t, &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}}))
	say(t, c, strings.Repeat(" ", MaxFrame+1))
	if code, _ := closed(t, c); code != CodeTooLarge {
		t.Errorf("closed with %d", code)
	}
}

// TestFragments sends a beat in several WebSocket fragments.
func TestFragments(t *testing.T) {
	c := welcomed(t, serve(t, &WebSocket{Server: &echo{detached: make(chan *Outbox, 1)}}))
	w, err := c.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for _, fragment := range []string{`{"type":"be`, `at","id":7,`, `"body":"`, strings.Repeat("x", 3000), `"}`} {
		if _, err := io.WriteString(w, fragment); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := hear(t, c); !strings.HasPrefix(got, `{"type":"tick","id":7,"status":200,"body":"xxx`) || len(got) < 3000 {
		t.Errorf("%s", got)
	}
}

// TestEarlyHello sends a hello that is larger than the read buffer together with the
// handshake.
func TestEarlyHello(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		url := serve(t, &WebSocket{off: off, Server: &echo{detached: make(chan *Outbox, 1)}})
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		hello := `{"type":"hello","body":"` + strings.Repeat("x", 2000) + `"}`
		mask := "\x00\x00\x00\x00" // changes no byte
		frames := "\x81\xfe" + string([]byte{byte(len(hello) >> 8), byte(len(hello))}) + mask + hello
		beat := `{"type":"beat","id":7,"body":"a"}`
		frames += "\x81" + string([]byte{0x80 | byte(len(beat))}) + mask + beat
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: "+Subprotocol+"\r\n\r\n"+frames)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(c)
		if _, err := http.ReadResponse(r, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`{"type":"welcome"`, `{"type":"tick","id":7`} {
			header := make([]byte, 2)
			if _, err := io.ReadFull(r, header); err != nil || header[0] != textFrame || header[1] > 125 {
				t.Fatalf("%x %v", header, err)
			}
			text := make([]byte, header[1])
			if _, err := io.ReadFull(r, text); err != nil || !strings.HasPrefix(string(text), want) {
				t.Errorf("%s %v, want %s", text, err, want)
			}
		}
	})
}

// TestClientCloses checks that a client's close frame is answered, and that the session is
// detached.
func TestClientCloses(t *testing.T) {
	onBothPaths(t, func(t *testing.T, off switches) {
		e := &echo{detached: make(chan *Outbox, 1)}
		ws := &WebSocket{off: off, Server: e}
		c := welcomed(t, serve(t, ws))
		if err := c.Close(websocket.StatusNormalClosure, "enough"); err != nil {
			t.Errorf("the close handshake: %v", err)
		}
		ws.Wait()
		if len(e.detached) != 1 {
			t.Error("the session was not detached")
		}
	})
}

// fullSocket is a syscall.RawConn of a socket whose buffer is full.
type fullSocket struct{ syscall.RawConn }

func (fullSocket) Write(func(fd uintptr) bool) error { return nil }

// TestNothingAfterClose checks that no frame follows a close frame.
func TestNothingAfterClose(t *testing.T) {
	near, far := net.Pipe()
	c := &rawConn{Conn: near, sys: fullSocket{}}
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	if _, err := c.Write([]byte{closeFrame, 0}); err != nil {
		t.Fatal(err)
	}
	rest, err := c.send(&buffer{bytes: []byte("push")})
	if rest != nil {
		err = rest()
	}
	_ = near.Close()
	if b := <-got; err != nil || !bytes.Equal(b, []byte{closeFrame, 0}) {
		t.Errorf("written %q, %v; want the close frame only", b, err)
	}
}

// TestWriteTimesOut checks that a write to a client that does not read times out, and that
// the next write succeeds when the client reads.
func TestWriteTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := &rawConn{Conn: near, sys: fullSocket{}}
		started := time.Now()
		rest, err := c.send(&buffer{bytes: []byte("push")})
		if rest == nil || err != nil || time.Since(started) != 0 {
			t.Fatalf("send blocked, or wrote: %v", err)
		}
		second, _ := c.send(&buffer{bytes: []byte("more")})
		if second == nil {
			t.Fatal("a second write began before the end of the first")
		}
		if err := rest(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(started) != WriteTimeout {
			t.Errorf("the first write: %v after %v", err, time.Since(started))
		}
		read := make(chan string, 1)
		go func() {
			b := make([]byte, 10)
			n, _ := far.Read(b)
			read <- string(b[:n])
		}()
		if err := second(); err != nil || <-read != "more" {
			t.Errorf("the next write: %v", err)
		}
	})
}
