//go:build linux

package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// slowReaders is the number of connections of an attack.
	slowReaders = 30
	// pipelined is how many requests each of them sends without reading a response.
	pipelined = 200
	// mayQueue is the most bytes that the kernel may keep for one of them.
	mayQueue = 512 << 10
)

// TestUnreadResponses sends many requests on each of some connections, and reads nothing:
// neither listener lets the kernel queue megabytes for such a client, and the connections
// end.
func TestUnreadResponses(t *testing.T) {
	p := start(t, serveCmd{})
	for name, request := range map[string]string{
		p.public: "GET /heartbeat/heartbeat.js.map HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		p.admin:  "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	} {
		var conns []net.Conn
		for range slowReaders {
			c := dialSmall(t, name)
			if _, err := c.Write([]byte(strings.Repeat(request, pipelined))); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		most := 0
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			most = max(most, queued(t, name))
		}
		t.Logf("%s: at most %d KB queued for each of %d connections", name, most/len(conns)>>10, len(conns))
		if most > len(conns)*mayQueue {
			t.Errorf("%s: %d bytes queued for %d clients that do not read", name, most, len(conns))
		}
	}
}

// dialSmall connects with the smallest receive buffer.
func dialSmall(t *testing.T, address string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) })
	}}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// queued returns the bytes that the kernel keeps to send them from a local address.
func queued(t *testing.T, address string) (sum int) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ip := net.ParseIP(host).To4()
	n, _ := strconv.Atoi(port)
	local := strings.ToUpper(hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]})) + fmt.Sprintf(":%04X", n)
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 4 && f[1] == local && f[3] != "0A" {
			send, _, _ := strings.Cut(f[4], ":")
			bytes, _ := strconv.ParseInt(send, 16, 64)
			sum += int(bytes)
		}
	}
	return sum
}

// TestSlowClientsDoNotDelayTheStop stops heartbeatd while clients do not read a response,
// do not finish a request, and have sent nothing.
func TestSlowClientsDoNotDelayTheStop(t *testing.T) {
	p := start(t, serveCmd{})
	for _, request := range []string{
		strings.Repeat("GET /heartbeat/heartbeat.js.map HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", pipelined),
		"POST /wp-admin/admin-ajax.php HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\na=b",
		"GET / HTTP/1.1\r\nHost: ",
		"",
	} {
		c := dialSmall(t, p.public)
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); queued(t, p.public) < maxUnsent/2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no response is queued")
		}
	}
	began := time.Now()
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("heartbeatd ended with %v", err)
	}
	p.ended <- nil
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
}
