//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// exhaustion is an attack with clients that do not finish what they begin.
type exhaustion struct {
	name   string
	path   string // that the others request meanwhile
	ticket bool
	begin  func(*node) []net.Conn

	// mayUse and kernelMayUse are how many more bytes heartbeatd, and the kernel for TCP, may use
	// then: about twice what was seen. Zero: any number. The figure of the kernel includes the clients
	// and other programs, so only an attack that took a GB of it has a limit.
	mayUse, kernelMayUse int
}

const (
	readers, pipelined = 300, 60
	writers, announced = 600, 1 << 20
	sockets            = 200
	uploads            = 64
)

var exhaustions = []exhaustion{
	{"300 connections pipeline 60 GET of heartbeat.js.map, and do not read", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return dialMany(n.public, readers, 1, strings.Repeat(get("/heartbeat/heartbeat.js.map"), pipelined))
	}, 60 << 20, 250 << 20},
	{"300 connections pipeline 60 GET of /metrics, and do not read", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return dialMany(n.admin, readers, 1, strings.Repeat(get("/metrics"), pipelined))
	}, 150 << 20, 0},
	{"600 POST /heartbeat/beat of 1 MiB without a ticket, each one byte short", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return dialMany(n.public, writers, 0, post("/heartbeat/beat", "", announced)+strings.Repeat("a", announced-1))
	}, 60 << 20, 0},
	{"600 POST /heartbeat/beat of 64 KiB with a ticket, each one byte short", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return dialMany(n.public, writers, 0, post("/heartbeat/beat", "Heartbeat-Ticket: "+goodTicket(2)+"\r\n", 64<<10)+strings.Repeat("a", 64<<10-1))
	}, 160 << 20, 0},
	{"600 POST /heartbeat/open of 1 MiB, each one byte short", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return dialMany(n.public, writers, 0, post("/heartbeat/open", "", announced)+strings.Repeat("a", announced-1))
	}, 60 << 20, 0},
	{"200 WebSockets with a ticket, each with a message of 1 MiB, one byte short", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return unfinishedMessages(n, announced)
	}, 60 << 20, 0},
	{"200 WebSockets with a ticket, each with a message of 64 KiB, one byte short", "/heartbeat/beat", true, func(n *node) []net.Conn {
		return unfinishedMessages(n, 64<<10)
	}, 100 << 20, 0},
	{"64 POST admin-ajax.php that announce 10 MB and send 70 KB", ajaxPath, false, func(n *node) []net.Conn {
		return dialMany(n.public, uploads, 0, post(ajaxPath, "", 10_000_000)+strings.Repeat("a", 70_000))
	}, 60 << 20, 0},
	{"64 GET admin-ajax.php with an answer of 8 MB that is not read", ajaxPath, false, func(n *node) []net.Conn {
		return dialMany(n.public, uploads, 1, get(ajaxPath+"?bytes=8000000"))
	}, 0, 0},
	{"64 GET admin-ajax.php with an answer of 900 KB that is not read", ajaxPath, false, func(n *node) []net.Conn {
		return dialMany(n.public, uploads, 1, get(ajaxPath+"?bytes=900000"))
	}, 160 << 20, 0},
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" }

func post(path, header string, length int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s\r\nContent-Length: %d\r\n\r\n", path, header, formType, length)
}

// dialMany opens connections that send a text, as far as heartbeatd reads it, and read nothing.
// With a receive buffer of 1 byte the kernel takes its smallest.
func dialMany(address string, count, receiveBuffer int, text string) (conns []net.Conn) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		if receiveBuffer == 0 {
			return nil
		}
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		})
	}}
	for range count {
		c, err := d.Dial("tcp", address)
		if err != nil {
			continue // heartbeatd refuses it
		}
		conns = append(conns, c)
		go func() { _, _ = io.WriteString(c, text) }()
	}
	return conns
}

// unfinishedMessages opens WebSockets and sends a hello and the beginning of a message.
func unfinishedMessages(n *node, size int) []net.Conn {
	message := appendFrame(nil, 0x80|opText, make([]byte, size))
	hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"unfinished-%%03d"}`, goodTicket(3))
	var conns []net.Conn
	for i := range sockets {
		frames := appendFrame(nil, 0x80|opText, fmt.Appendf(nil, hello, i))
		text := fmt.Sprintf(handshake, "192.0.2.1", "") + string(frames) + string(message[:len(message)-1])
		conns = append(conns, dialMany(n.public, 1, 0, text)...)
	}
	return conns
}

// answerLarge answers with as many bytes as the query asks for, or else as PHP.
func answerLarge(w http.ResponseWriter, r *http.Request) {
	if n, err := strconv.Atoi(r.URL.Query().Get("bytes")); err == nil {
		_, _ = w.Write(make([]byte, n))
		return
	}
	answerShortly(w, r)
}

// exhaustAll makes every attack whose name has a text on a new heartbeatd, and writes a table.
func exhaustAll(binary, only string, to io.Writer) error {
	const observed = 45 * time.Second
	_, _ = fmt.Fprintln(to, "| attack | memory of heartbeatd | of the kernel for TCP | over after | others meanwhile |\n|---|---|---|---|---|")
	for _, e := range exhaustions {
		if !strings.Contains(e.name, only) {
			continue
		}
		m, err := e.measure(binary, observed)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		_, _ = fmt.Fprintf(to, "| %s | %s |\n", e.name, m)
	}
	return nil
}

// measurement is what an attack did.
type measurement struct {
	before, most         int // resident memory, in bytes
	kernelBefore, kernel int // memory of all TCP connections of the machine, in bytes
	over                 time.Duration
	requests, failed     int
	slowest              time.Duration
	observed             time.Duration
	lastError            error
}

func (m measurement) String() string {
	over := fmt.Sprintf("%.0f s", m.over.Seconds())
	if m.over == 0 {
		over = fmt.Sprintf("not within %.0f s", m.observed.Seconds())
	}
	others := fmt.Sprintf("%d requests, %d failed, the slowest %d ms", m.requests, m.failed, m.slowest.Milliseconds())
	if m.lastError != nil {
		others += fmt.Sprintf(" (%v)", m.lastError)
	}
	return fmt.Sprintf("%d → %d MB | +%d MB | %s | %s", m.before>>20, m.most>>20, (m.kernel-m.kernelBefore)>>20, over, others)
}

// measure makes the attack on a new heartbeatd, and watches it for so long. Meanwhile somebody
// else sends requests.
func (e exhaustion) measure(binary string, observed time.Duration) (m measurement, err error) {
	m.observed = observed
	t := new(tally)
	upstream, stop, err := startWordPress(t, answerLarge)
	if err != nil {
		return m, err
	}
	defer stop()
	n, err := startNode(binary, t, "--site-id="+blog, "--site-secret="+blogSecret, "--site-upstream="+upstream)
	if err != nil {
		return m, err
	}
	defer func() { _ = n.stop() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	other := &poster{http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: endWait}, url: "http://" + n.public + e.path, user: 1, withoutLinks: !e.ticket}
	if _, err := other.beat(ctx); err != nil {
		return m, fmt.Errorf("before the attack: %w", err)
	}
	m.before, m.kernelBefore = n.resident(), tcpMemory()
	conns := e.begin(n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for began := time.Now(); m.requests == 0 || time.Since(began) < observed; time.Sleep(20 * time.Millisecond) {
		m.most, m.kernel = max(m.most, n.resident()), max(m.kernel, tcpMemory())
		sent := time.Now()
		_, err := other.beat(ctx)
		m.requests++
		if err != nil {
			m.failed++
			m.lastError = err
		}
		m.slowest = max(m.slowest, time.Since(sent))
		if time.Since(began) > 5*time.Second && n.connections() == 0 {
			m.over = time.Since(began)
			break
		}
	}
	return m, nil
}

// resident returns the resident memory of heartbeatd, in bytes.
func (n *node) resident() (bytes int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.cmd.Process.Pid))
	var size, pages int
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return pages * os.Getpagesize()
}

// tcpMemory returns the memory that the kernel uses for TCP connections, in bytes.
func tcpMemory() int {
	b, _ := os.ReadFile("/proc/net/sockstat")
	_, rest, _ := strings.Cut(string(b), "\nTCP:")
	_, rest, _ = strings.Cut(rest, " mem ")
	var pages int
	_, _ = fmt.Sscan(rest, &pages)
	return pages * os.Getpagesize()
}

// connections returns the number of connections to the listeners of heartbeatd.
func (n *node) connections() (open int) {
	table, _ := os.ReadFile("/proc/net/tcp")
	for _, address := range []string{n.public, n.admin} {
		_, port, _ := net.SplitHostPort(address)
		var number int
		_, _ = fmt.Sscan(port, &number)
		local := fmt.Sprintf(":%04X ", number)
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1]+" ", local) && (f[3] == "01" || f[3] == "04" || f[3] == "08") {
				open++
			}
		}
	}
	return open
}
