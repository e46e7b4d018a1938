// Package cluster tests heartbeatd's nodes on a cluster of NATS servers, all of
// them processes of their own.
package cluster

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// TestCluster runs two nodes on three NATS servers, and takes parts away.
func TestCluster(t *testing.T) {
	servers := startNATS(t, 3)
	urls := servers[0].url + "," + servers[1].url + "," + servers[2].url
	cache := t.TempDir() // one demo site for both
	a, b := startNode(t, cache, urls), startNode(t, cache, urls)

	alice, ed := a.page(t, 1), b.page(t, 2)
	watcher := alice.connect(t, a)
	mover := ed.connect(t, b)
	mover.ping("dashboard")
	watcher.until("somebody on the other node arrives", joins("user-2"))

	t.Run("a push reaches the other node", func(t *testing.T) {
		a.push(t, `{"to":{"user":2},"data":"hello"}`)
		mover.until("the push", func(f frame) bool { return f.Type == "push" && string(f.Data) == `"hello"` })
	})

	t.Run("a NATS server dies", func(t *testing.T) {
		servers[0].kill()
		con := b.page(t, 4).connect(t, b)
		con.ping("upload")
		watcher.until("somebody arrives after that", joins("user-4"))
		con.send(`{"type":"leave"}`)
		watcher.until("and leaves", leaves("user-4"))
	})

	t.Run("a node dies, and its pages come to the other", func(t *testing.T) {
		b.kill()
		moved := ed.connect(t, a)
		moved.ping("users")
		watcher.until("the page is seen there", func(f frame) bool { return has(f.Updated, "user-2") })
		for _, f := range watcher.seen {
			if has(f.Left, "user-2") {
				t.Errorf("the page left in between: %+v", f)
			}
		}
		moved.send(`{"type":"leave"}`)
		watcher.until("it leaves from there", leaves("user-2"))
	})

	t.Run("what a dead node held expires", func(t *testing.T) {
		c := startNode(t, cache, urls)
		c.page(t, 3).connect(t, c).ping("edit-post")
		watcher.until("somebody arrives", joins("user-3"))
		killed := time.Now()
		c.kill()
		watcher.until("and is gone with the node", leaves("user-3"))
		t.Logf("gone after %v with a TTL of %v", time.Since(killed).Round(10*time.Millisecond), presenceTTL)
	})
}

// TestNATSAway stops all of NATS under a node: beats are answered, readyz says
// no, and everything heals when it is back.
func TestNATSAway(t *testing.T) {
	servers := startNATS(t, 1)
	node := startNode(t, t.TempDir(), servers[0].url)
	alice, ed := node.page(t, 1).connect(t, node), node.page(t, 2)
	ed.connect(t, node).ping("dashboard")
	alice.until("ed arrives", joins("user-2"))

	servers[0].kill()
	wait(t, "readyz to say no", func() bool { return node.ready() == http.StatusServiceUnavailable })
	alice.ping("dashboard")
	var tick struct {
		Online []struct {
			UserID int `json:"user_id"`
		} `json:"presence-online"`
	}
	f := alice.until("a tick without NATS", func(f frame) bool { return f.Type == "tick" })
	if err := json.Unmarshal([]byte(f.Body), &tick); err != nil || len(tick.Online) != 2 {
		t.Errorf("the tick says %s", f.Body)
	}

	servers[0].start(t)
	wait(t, "readyz to say yes", func() bool { return node.ready() == http.StatusOK })
	other := startNode(t, t.TempDir(), servers[0].url)
	wait(t, "a new node to see both", func() bool { return other.online(t) == 2 })
}
