package server

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// withSessions adds sessions of so many users to a node, each of a page that may edit posts.
func withSessions(t *testing.T, n *node, users int) *site {
	t.Helper()
	st := n.sites.get(demoSite)
	claims := &ticket.Claims{Can: []string{"edit_posts"}}
	n.sessions.mu.Lock()
	defer n.sessions.mu.Unlock()
	for user := range users {
		s := &session{shared: &n.shared, site: st, key: sessionKey{st.ID, int64(user + 1), fmt.Sprint("page-of-", user+1)}, claims: claims}
		s.last.Store(claims)
		s.timer = time.NewTimer(time.Hour)
		n.sessions.add(s)
	}
	return st
}

// bytesOf returns the bytes that a function allocates: the least of several calls, since others allocate, too.
func bytesOf(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestWorkWithManyPages checks that what concerns one page costs the same work whether the node has few
// or many: work is counted by the bytes that lists of pages take.
func TestWorkWithManyPages(t *testing.T) {
	const few, many = 50, 5000
	removed, _ := json.Marshal(message.RoomState{Room: wordpress.AdminRoom, Removed: []string{"user-7"}})
	works := map[string]func(n *node, st *site){
		"a removed row": func(n *node, st *site) {
			var r message.RoomState
			_ = json.Unmarshal(removed, &r)
			n.replay.recall(st, []message.RoomState{r})
		},
		"the removed row of a closed page": func(n *node, st *site) {
			n.replay.leaveClosed(st, editedRoom, "editor-7", sessionKey{st.ID, 7, "page-of-7"})
		},
		"a revoked log-in": func(n *node, st *site) {
			n.applyRevocation(st.ID, ticket.Revocation{User: 7, SID: "another", Until: 1})
		},
		"a push to a user": func(n *node, st *site) {
			n.replay.mu.Lock()
			defer n.replay.mu.Unlock()
			n.replay.send(st, message.Target{User: 7}, nil, topic.Cursor{})
		},
	}
	used := map[string][]uint64{}
	for _, users := range []int{few, many} {
		n := newNode(t)
		st := withSessions(t, n, users)
		for what, work := range works {
			used[what] = append(used[what], bytesOf(func() { work(n, st) }))
		}
	}
	for what, bytes := range used {
		if slices.Max(bytes) > 2*slices.Min(bytes)+4096 {
			t.Errorf("%s takes %d bytes with %d pages, and %d with %d", what, bytes[0], few, bytes[1], many)
		}
	}
}
