//go:build linux

package cluster

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// TestStalledNode stops a node for so long that its page opens on another node. The stopped
// node then answers the page's old beat, and its session ends. The page must stay.
func TestStalledNode(t *testing.T) {
	url := startNATS(t, 1)[0].url
	cache := t.TempDir() // one demo site for both
	stalled, other := startNode(t, cache, url), startNode(t, cache, url)
	watcher := other.page(t, 1).connect(t, other)
	ed := stalled.page(t, 2)
	link := ed.connect(t, stalled)
	link.ping("dashboard")
	link.until("the answer to the first beat", isTick)
	watcher.until("the join", joins("user-2"))

	published := subscribe(t, url, "presence.demo.admin.online.user-2.*")
	signal(t, stalled, syscall.SIGSTOP)
	link.ping("edit-post")
	time.Sleep(4 * time.Second) // a page gives up after 2.5 s
	moved := ed.connectWith(t, other, ed.beat("edit-post"))
	wait(t, "the write of the other node", func() bool {
		m, err := published.NextMsg(100 * time.Millisecond)
		return err == nil && strings.Contains(string(m.Data), "edit-post")
	})
	signal(t, stalled, syscall.SIGCONT)
	link.until("the answer to the old beat", isTick)
	_ = link.conn.CloseNow()

	wait(t, "the end of the session on the stopped node", func() bool { return stalled.metric(t, "heartbeatd_sessions") == "0" })
	stalled.page(t, 3).connect(t, stalled).ping("upload") // is written after what that session has purged
	watcher.until("another page of the stopped node", joins("user-3"))
	for _, f := range watcher.seen {
		if has(f.Left, "user-2") {
			t.Errorf("the page left, although it is open on the other node: %+v", f)
		}
	}
	for _, n := range []*node{stalled, other} {
		if n.online(t) != 2 {
			t.Errorf("%d are online, want users 2 and 3", n.online(t))
		}
	}
	moved.send(`{"type":"leave"}`)
	watcher.until("the leave from the other node", leaves("user-2"))
}

// subscribe subscribes to subjects on NATS.
func subscribe(t *testing.T, url, subjects string) *natsgo.Subscription {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	sub, err := conn.SubscribeSync(subjects)
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func isTick(f frame) bool { return f.Type == "tick" }

func signal(t *testing.T, n *node, s syscall.Signal) {
	t.Helper()
	if err := n.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// metric returns the value of a metric without labels.
func (n *node) metric(t *testing.T, name string) string {
	t.Helper()
	r, err := http.Get("http://" + n.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, _ := io.ReadAll(r.Body)
	for line := range strings.Lines(string(b)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// beat returns the body of a beat with a presence-ping.
func (p *page) beat(screen string) string {
	return fmt.Sprintf("data[presence-ping][screen]=%s&_nonce=%s&action=heartbeat&has_focus=true", screen, p.nonce)
}
