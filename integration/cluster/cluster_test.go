//go:build linux

// Package cluster tests nodes of heartbeatd on a cluster of NATS servers, each in a process
// of its own.
package cluster

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestCluster runs two nodes on three NATS servers, and kills some of them.
func TestCluster(t *testing.T) {
	servers := startNATS(t, 3)
	urls := servers[0].url + "," + servers[1].url + "," + servers[2].url
	cache := t.TempDir() // one demo site for both
	a, b := startNode(t, cache, urls), startNode(t, cache, urls)

	alice, ed := a.page(t, 1), b.page(t, 2)
	watcher := alice.connect(t, a)
	mover := ed.connect(t, b)
	mover.ping("dashboard")
	watcher.until("the join on the other node", joins("user-2"))

	t.Run("a push reaches the other node", func(t *testing.T) {
		a.push(t, `{"to":{"user":2},"data":"hello"}`)
		mover.until("the push", func(f frame) bool { return f.Type == "push" && string(f.Data) == `"hello"` })
	})

	t.Run("a NATS server dies", func(t *testing.T) {
		servers[0].Kill()
		con := b.page(t, 4).connect(t, b)
		con.ping("upload")
		watcher.until("a join after that", joins("user-4"))
		con.send(`{"type":"leave"}`)
		watcher.until("the leave", leaves("user-4"))
	})

	t.Run("a node dies, and its pages connect to the other", func(t *testing.T) {
		b.Kill()
		moved := ed.connect(t, a)
		moved.ping("users")
		watcher.until("the page on the other node", func(f frame) bool { return has(f.Updated, "user-2") })
		for _, f := range watcher.seen {
			if has(f.Left, "user-2") {
				t.Errorf("the page left in between: %+v", f)
			}
		}
		moved.send(`{"type":"leave"}`)
		watcher.until("the leave from the other node", leaves("user-2"))
	})

	t.Run("entries of a dead node expire", func(t *testing.T) {
		c := startNode(t, cache, urls)
		c.page(t, 3).connect(t, c).ping("edit-post")
		watcher.until("the join", joins("user-3"))
		killed := time.Now()
		c.Kill()
		watcher.until("the leave", leaves("user-3"))
		t.Logf("the entry left after %v with a TTL of %v", time.Since(killed).Round(10*time.Millisecond), presenceTTL)
	})
}

// TestNATSOutage kills NATS while a node runs: beats are answered, traffic may come, readyz
// names the reason, and presence recovers after the restart of NATS.
func TestNATSOutage(t *testing.T) {
	servers := startNATS(t, 1)
	node := startNode(t, t.TempDir(), servers[0].url)
	alice, ed := node.page(t, 1).connect(t, node), node.page(t, 2)
	ed.connect(t, node).ping("dashboard")
	alice.until("the join", joins("user-2"))

	servers[0].Kill()
	wait(t, "the reason in readyz", func() bool { return strings.Contains(node.readyz(t), `{"ready":true,"reasons":[{"name":"nats"`) })
	alice.ping("dashboard")
	var tick struct {
		Online []struct {
			UserID int `json:"user_id"`
		} `json:"presence-online"`
	}
	f := alice.until("a tick without NATS", func(f frame) bool { return f.Type == "tick" })
	if err := json.Unmarshal([]byte(f.Body), &tick); err != nil || len(tick.Online) != 2 {
		t.Errorf("the tick is %s", f.Body)
	}

	if err := servers[0].Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, "readyz without a reason", func() bool { return strings.Contains(node.readyz(t), `"reasons":[]`) })
	other := startNode(t, t.TempDir(), servers[0].url)
	wait(t, "both people on a new node", func() bool { return other.online(t) == 2 })
}
