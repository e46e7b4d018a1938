package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// attackers is the number of connections of an attack, and announced the length of the
	// bodies, of which each lacks a byte.
	attackers = 60
	announced = 1 << 20
	// mayHold is the most bytes of heap that heartbeatd may hold for one of them.
	mayHold = 64 << 10
)

// heap returns the bytes of heap in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestUnfinishedBodies announces large bodies, and sends each but for a byte. A ticket is
// asked for before a body is read, and nothing else takes memory before it has arrived.
func TestUnfinishedBodies(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	body := make([]byte, announced-1)
	for name, c := range map[string]struct {
		head string
		want int // the status of an immediate answer; 0: none
	}{
		"a beat without a ticket":   {"POST /heartbeat/beat", 403},
		"a beat of no session":      {"POST /heartbeat/beat HTTP/1.1\r\nHeartbeat-Session: x", 410},
		"a beat with a bad ticket":  {"POST /heartbeat/beat HTTP/1.1\r\nHeartbeat-Ticket: x", 403},
		"a beat that is too large":  {"POST /heartbeat/beat HTTP/1.1\r\nHeartbeat-Ticket: " + p.ticket, 413},
		"an open":                   {"POST /heartbeat/open", 413},
		"a close":                   {"POST /heartbeat/close", 400},
		"a beat at admin-ajax.php":  {"POST " + wordpress.AjaxPath, 413},
		"a form of an unknown path": {"POST /heartbeat/other", 404},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			answers := make(chan int, attackers)
			for range attackers {
				conn := attack(t, n, c.head, announced)
				go func() {
					_, _ = conn.Write(body) // blocks while heartbeatd does not read
				}()
				go func() {
					r, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						answers <- 0
						return
					}
					_ = r.Body.Close()
					answers <- r.StatusCode
				}()
			}
			held := 0
			for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
				held = max(held, heap()-before)
			}
			t.Logf("%d KB held for each of %d clients", held/attackers>>10, attackers)
			if held > attackers*mayHold {
				t.Errorf("%d bytes held for %d clients", held, attackers)
			}
			began := time.Now()
			s := p.socket(t)
			s.beat(1, p.pinging("dashboard"))
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("the beat of another page took %v", took)
			}
			if c.want >= 400 && c.want != 404 {
				select {
				case got := <-answers:
					if got != c.want && got != 0 { // a write to a closed connection resets it
						t.Errorf("status %d, want %d", got, c.want)
					}
				case <-time.After(5 * time.Second):
					t.Error("no answer")
				}
			}
		})
	}
}

// attack sends the header of a request that announces a body.
func attack(t *testing.T, n *node, head string, length int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if !strings.Contains(head, "HTTP/1.1") {
		head += " HTTP/1.1"
	}
	if _, err := fmt.Fprintf(conn, "%s\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", head, length); err != nil {
		t.Fatal(err)
	}
	return conn
}
