//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
)

const presenceTTL = 5 * time.Second

var (
	programs  = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "heartbeatd-cluster-") })
	nats      = sync.OnceValues(func() (string, error) { return built(machine.NATSServer) })
	heartbeat = sync.OnceValues(func() (string, error) { return built(machine.Heartbeatd) })
)

func built(pkg string) (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	return machine.Build(dir, pkg)
}

// need returns a program that is compiled once for all tests of the package.
func need(t *testing.T, program func() (string, error)) string {
	t.Helper()
	if os.Getenv("CI") == "" && os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		t.Skip("an integration test: make test runs it, or HEARTBEATD_INTEGRATION=1")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// start starts a process until the end of the test.
func start(t *testing.T, name string, program []string, env ...string) *machine.Process {
	t.Helper()
	p, err := machine.NewProcess(name, nil, "", program...)
	if err == nil {
		err = p.Start(env...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// freePort returns a port that is free now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// wait polls a condition. what names it in the failure.
func wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for: " + what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// natsServer is one nats-server process.
type natsServer struct {
	*machine.Process
	url string
}

func startNATS(t *testing.T, n int) []*natsServer {
	t.Helper()
	program := need(t, nats)
	var routes []string
	ports := make([][2]int, n)
	for i := range ports {
		ports[i] = [2]int{freePort(t), freePort(t)}
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[i][1]))
	}
	var servers []*natsServer
	for i, p := range ports {
		args := []string{program, "--addr", "127.0.0.1", "--port", fmt.Sprint(p[0]), "--server_name", fmt.Sprintf("n%d", i), "--jetstream", "--store_dir", t.TempDir()}
		if n > 1 {
			args = append(args, "--cluster_name", "test", "--cluster", fmt.Sprintf("nats://127.0.0.1:%d", p[1]), "--routes", strings.Join(routes, ","))
		}
		servers = append(servers, &natsServer{start(t, fmt.Sprintf("n%d", i), args), fmt.Sprintf("nats://127.0.0.1:%d", p[0])})
	}
	return servers
}

// node is one heartbeatd process.
type node struct {
	*machine.Process
	public, admin string
}

var readyLine = regexp.MustCompile(`msg=ready listen=(\S+) admin=(\S+)`)

func startNode(t *testing.T, cache, nats string) *node {
	t.Helper()
	n := &node{Process: start(t, "node", []string{need(t, heartbeat), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--nats-url", nats, "--presence-ttl", presenceTTL.String(), "--api-key", "operator"}, "XDG_CACHE_HOME="+cache)}
	wait(t, "the addresses of the new node", func() bool {
		m := readyLine.FindStringSubmatch(n.Log())
		if m != nil {
			n.public, n.admin = m[1], m[2]
		}
		return m != nil || n.HasEnded()
	})
	if n.HasEnded() {
		t.Fatalf("heartbeatd ended before it was ready: %s", n.Log())
	}
	wait(t, "readyz of the new node", func() bool { return n.readyz(t) == `{"ready":true,"reasons":[]}`+"\n" })
	return n
}

func (n *node) readyz(t *testing.T) string { return string(n.api(t, "GET", "/readyz", "")) }

func (n *node) api(t *testing.T, method, path, body string) []byte {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), method, "http://"+n.admin+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer operator")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s: %d %s", path, answer.StatusCode, b)
	}
	return b
}

func (n *node) push(t *testing.T, body string) {
	t.Helper()
	n.api(t, "POST", "/api/v1/push", `{"site":"demo",`+body[1:])
}

func (n *node) online(t *testing.T) int {
	t.Helper()
	var status struct{ Online int }
	if err := json.Unmarshal(n.api(t, "GET", "/api/v1/status?site=demo", ""), &status); err != nil {
		t.Fatal(err)
	}
	return status.Online
}

// page is a browser page of a demo user. It can connect to any node.
type page struct {
	http                *http.Client
	nonce, ticket, conn string
}

func (n *node) page(t *testing.T, user int) *page {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	p := &page{http: &http.Client{Jar: jar}, conn: fmt.Sprintf("page-of-user-%d", user)}
	r, err := p.http.Get(fmt.Sprintf("http://%s/demo/settings?user=%d", n.public, user))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	var settings struct {
		Nonce      string
		Heartbeatd struct{ Ticket string }
	}
	if err := json.NewDecoder(r.Body).Decode(&settings); err != nil {
		t.Fatal(err)
	}
	p.nonce, p.ticket = settings.Nonce, settings.Heartbeatd.Ticket
	return p
}

// frame is any frame from a node.
type frame struct {
	Type                            string
	Room                            string
	Body                            string
	Data                            json.RawMessage
	Snapshot, Joined, Updated, Left []struct {
		ClientID string `json:"client_id"`
	}
}

// link is a page's socket to a node.
type link struct {
	t    *testing.T
	page *page
	conn *websocket.Conn
	id   int
	seen []frame // since the last until
}

func (p *page) connect(t *testing.T, n *node) *link {
	t.Helper()
	return p.connectWith(t, n, "")
}

// connectWith is connect with the presence handles of the page's last beat.
func (p *page) connectWith(t *testing.T, n *node, body string) *link {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "http://"+n.public+"/heartbeat/socket", &websocket.DialOptions{HTTPClient: p.http, Subprotocols: []string{"heartbeat.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	l := &link{t: t, page: p, conn: c}
	l.send(fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":%q}`, p.ticket, p.conn, body))
	l.until("the welcome", func(f frame) bool { return f.Type == "welcome" })
	return l
}

func (l *link) send(text string) {
	l.t.Helper()
	if err := l.conn.Write(l.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		l.t.Fatal(err)
	}
}

// ping beats with a presence-ping.
func (l *link) ping(screen string) {
	l.t.Helper()
	l.id++
	l.send(fmt.Sprintf(`{"type":"beat","id":%d,"body":%q}`, l.id, l.page.beat(screen)))
}

// until reads frames until one matches. seen has the frames before it.
func (l *link) until(what string, match func(frame) bool) frame {
	l.t.Helper()
	l.seen = nil
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, b, err := l.conn.Read(ctx)
		if err != nil {
			l.t.Fatalf("waiting for %s: %v", what, err)
		}
		var f frame
		if err := json.Unmarshal(b, &f); err != nil {
			l.t.Fatal(err)
		}
		if match(f) {
			return f
		}
		l.seen = append(l.seen, f)
	}
}

func has(list []struct {
	ClientID string `json:"client_id"`
}, client string) bool {
	for _, e := range list {
		if e.ClientID == client {
			return true
		}
	}
	return false
}

func joins(client string) func(frame) bool {
	return func(f frame) bool { return has(f.Joined, client) }
}

func leaves(client string) func(frame) bool { return func(f frame) bool { return has(f.Left, client) } }
