//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// serverFrame returns a frame as a server writes it.
func serverFrame(op byte, payload string) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// TestTakeFrame parses incomplete frames of every length format, and complete ones with
// bytes behind them.
func TestTakeFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 200_000} {
		payload := strings.Repeat("x", n)
		b := serverFrame(opText, payload)
		for _, cut := range []int{0, 1, 2, 3, 4, 9, len(b) - 1} {
			if cut >= len(b) {
				continue
			}
			if _, _, used, err := takeFrame(b[:cut]); used != 0 || err != nil {
				t.Errorf("%d of %d bytes: used %d, %v", cut, len(b), used, err)
			}
		}
		op, got, used, err := takeFrame(append(b[:len(b):len(b)], "more"...))
		if op != opText || string(got) != payload || used != len(b) || err != nil {
			t.Errorf("a frame of %d: op %d, %d bytes, used %d of %d, %v", n, op, len(got), used, len(b), err)
		}
	}
}

func TestTakeFrameRefuses(t *testing.T) {
	for what, b := range map[string][]byte{
		"a fragment":     {opText, 0},
		"a masked frame": {0x80 | opText, 0x80, 1, 2, 3, 4},
		"an extension":   {0x80 | 0x40 | opText, 0},
		"a huge frame":   {0x80 | opText, 127, 0, 0, 0, 1, 0, 0, 0, 0},
		"a length below": {0x80 | opText, 127, 0xff, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, _, _, err := takeFrame(b); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

// TestAppendFrame sends frames to another implementation, which sends them back.
func TestAppendFrame(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(-1)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(b) == "ping" {
				go func() { _ = c.Write(r.Context(), kind, []byte(errorText(c.Ping(r.Context())))) }()
				continue
			}
			_ = c.Write(r.Context(), kind, b)
		}
	}))
	defer s.Close()
	l := testLoop(t)
	var got []string
	sock := &socket{onText: func(b []byte) { got = append(got, string(b)) }}
	want := []string{"", "short", strings.Repeat("long", 100), strings.Repeat("very long", 20_000), "ponged"}
	sock.opened = func() {
		for _, m := range want[:4] {
			sock.text([]byte(m))
		}
		sock.text([]byte("ping"))
	}
	l.openSocket(0, addressOf(s), "/", "", sock)
	if err := l.run(10*time.Second, func() bool { return len(got) == len(want) }); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("message %d: %.20q of %d, want %.20q of %d", i, got[i], len(got[i]), want[i], len(want[i]))
		}
	}
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ponged"
}

func addressOf(s *httptest.Server) netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
}

func testLoop(t *testing.T) *loop {
	t.Helper()
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// TestTakeResponse parses incomplete and complete responses.
func TestTakeResponse(t *testing.T) {
	for text, body := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello":                                                "hello",
		"HTTP/1.1 204 No Content\r\n\r\n":                                                                  "",
		"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\nb\r\n chunked wo\r\n0\r\n\r\n": "hello chunked wo",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n":                                   "",
		"HTTP/1.1 200 OK\r\nX: Content-Length: 9\r\nContent-Length: 0\r\n\r\n":                             "",
	} {
		for cut := range len(text) {
			if _, used, err := takeResponse([]byte(text[:cut])); used != 0 || err != nil {
				t.Errorf("%q: used %d, %v", text[:cut], used, err)
			}
		}
		r, used, err := takeResponse([]byte(text + "HTTP/1.1 500"))
		if string(r.body) != body || used != len(text) || err != nil || strconv.Itoa(r.status) != text[9:12] {
			t.Errorf("%q: %d %q, used %d, %v", text, r.status, r.body, used, err)
		}
	}
}

func TestTakeResponseRefuses(t *testing.T) {
	for _, text := range []string{
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1 abc OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	} {
		if _, used, err := takeResponse([]byte(text)); err == nil {
			t.Errorf("%q was accepted: %d", text, used)
		}
	}
}

// TestCaller sends requests to a net/http server, which sends long responses in chunks.
func TestCaller(t *testing.T) {
	long := strings.Repeat("0123456789", 30_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if len(b) == 0 {
			b = []byte(long)
		}
		_, _ = w.Write(b)
	}))
	defer s.Close()
	l := testLoop(t)
	var got []string
	c := new(caller)
	c.opened = func() {
		c.do(appendRequest(nil, "POST", "/", addressOf(s), "", "short"), func(r response) {
			got = append(got, string(r.body))
			c.do(appendRequest(nil, "GET", "/", addressOf(s), "", ""), func(r response) { got = append(got, string(r.body)) })
		})
	}
	l.openCaller(0, addressOf(s), c)
	if err := l.run(10*time.Second, func() bool { return len(got) == 2 }); err != nil {
		t.Fatal(err)
	}
	if got[0] != "short" || got[1] != long {
		t.Errorf("%q and %d bytes", got[0], len(got[1]))
	}
}

// TestLostConnectionFailsWorkload checks a server that closes the connection, and one that
// does not listen.
func TestLostConnectionFailsWorkload(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	at := addressOf(s)
	open := func() error {
		l := testLoop(t)
		c := new(caller)
		c.opened = func() { c.do(appendRequest(nil, "GET", "/", at, "", ""), func(response) {}) }
		l.openCaller(0, at, c)
		return l.run(10*time.Second, func() bool { return false })
	}
	if err := open(); !errors.Is(err, errHungUp) {
		t.Errorf("a server that hangs up: %v", err)
	}
	s.Close()
	if err := open(); err == nil || errors.Is(err, errLate) {
		t.Errorf("no server: %v", err)
	}
}

// TestOtherAddresses opens a connection whose number is above the number of ports of one
// address.
func TestOtherAddresses(t *testing.T) {
	from := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from <- r.RemoteAddr }))
	defer s.Close()
	l := testLoop(t)
	c, answered := new(caller), false
	c.opened = func() {
		c.do(appendRequest(nil, "GET", "/", addressOf(s), "", ""), func(response) { answered = true })
	}
	l.openCaller(portsOfAddress, addressOf(s), c)
	if err := l.run(10*time.Second, func() bool { return answered }); err != nil {
		t.Fatal(err)
	}
	if got := <-from; !strings.HasPrefix(got, "127.0.0.2:") {
		t.Errorf("from %s", got)
	}
}

// TestUnsent sends more than fits into a socket's buffer, and checks the limit of unsent
// bytes.
func TestUnsent(t *testing.T) {
	read := make(chan int64, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		read <- n
	}))
	defer s.Close()
	l := testLoop(t)
	c, answered := new(caller), false
	body := strings.Repeat("x", maxUnsent-1<<10)
	c.opened = func() {
		c.do(appendRequest(nil, "POST", "/", addressOf(s), "", body), func(response) { answered = true })
	}
	l.openCaller(0, addressOf(s), c)
	if err := l.run(10*time.Second, func() bool { return answered }); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != int64(len(body)) {
		t.Fatalf("%d of %d bytes arrived", got, len(body))
	}
	c.send(bytes.Repeat([]byte("x"), 2*maxUnsent))
	c.send(bytes.Repeat([]byte("x"), maxUnsent))
	if !c.closed || l.err == nil {
		t.Error("unsent bytes have no limit")
	}
}
