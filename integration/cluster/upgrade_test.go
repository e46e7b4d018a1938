//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/balancer"
	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
	pages "github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// activated is a heartbeatd whose sockets another process keeps, as systemd does. Clients reach them
// under the hosts balancer.Public and balancer.Admin.
type activated struct {
	*machine.Process
	addresses map[string]string
	failed    atomic.Int64 // connections that were not accepted
}

const upgradeSecret = "the secret of a site that is upgraded"

func newActivated(t *testing.T, drain time.Duration) *activated {
	t.Helper()
	// LISTEN_PID is that of heartbeatd.
	p, err := machine.NewProcess("node", nil, "", "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, need(t, heartbeat), "serve",
		"--drain-time", drain.String(), "--state-dir", t.TempDir(), "--trusted-proxy", "127.0.0.1/32", "--site-id", "a", "--site-secret", upgradeSecret)
	if err != nil {
		t.Fatal(err)
	}
	a := &activated{Process: p, addresses: make(map[string]string)}
	for _, name := range []string{balancer.Public, balancer.Admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = file.Close(), l.Close() })
		a.Files = append(a.Files, file)
		a.addresses[name+":80"] = l.Addr().String()
	}
	t.Cleanup(p.Kill)
	return a
}

// start starts heartbeatd, and waits until it is ready.
func (a *activated) start(t *testing.T) {
	t.Helper()
	ready := strings.Count(a.Log(), "msg=ready")
	if err := a.Start("LISTEN_FDS=2", "LISTEN_FDNAMES="+balancer.Public+":"+balancer.Admin); err != nil {
		t.Fatal(err)
	}
	wait(t, "ready: "+a.Log(), func() bool { return strings.Count(a.Log(), "msg=ready") > ready })
}

// client returns a client that connects to the sockets.
func (a *activated) client(t *testing.T) *http.Client {
	t.Helper()
	by := &http.Transport{MaxIdleConnsPerHost: 100, DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, a.addresses[host])
		if err != nil && ctx.Err() == nil {
			a.failed.Add(1)
		}
		return c, err
	}}
	t.Cleanup(by.CloseIdleConnections)
	return &http.Client{Transport: by}
}

// TestUpgrade replaces heartbeatd under upgradePages pages, as `systemctl restart` does with sockets of
// systemd. No connection is refused, every beat has its answer, and all pages have a link again.
func TestUpgrade(t *testing.T) {
	for _, drain := range []time.Duration{5 * time.Second, time.Second} {
		t.Run(drain.String(), func(t *testing.T) { upgrade(t, drain) })
	}
}

func upgrade(t *testing.T, drain time.Duration) {
	node := newActivated(t, drain)
	node.start(t)
	client := node.client(t)
	world := &pages.World{Client: client, Backend: backend.New(map[string]string{"a": upgradeSecret}, client), BeatEvery: 5 * time.Second}
	kinds, err := pages.ParseKinds("websocket,websocket-only,events,longpoll")
	if err != nil {
		t.Fatal(err)
	}
	var all []*pages.Page
	for i := range upgradePages {
		place := backend.Place{User: backend.User{Site: "a", ID: int64(i + 1)}, Conn: fmt.Sprintf("connection-%d", i), Screen: "dashboard"}
		all = append(all, pages.Open(world, place, kinds[i%len(kinds)], 1, uint64(i)))
	}
	t.Cleanup(func() {
		for _, p := range all {
			p.Close()
		}
		world.Wait()
	})
	linked := func() bool {
		for _, p := range all {
			if !p.State().Linked {
				return false
			}
		}
		return true
	}
	wait(t, "a link of each page", linked)
	for _, p := range all {
		p.Forget()
	}
	node.failed.Store(0)
	posts, _ := world.Backend.Posts()
	begun := world.Tally.Begun.Load()

	restarted := time.Now()
	if err := node.Terminate(); err != nil {
		t.Fatal(err)
	}
	stopped := time.Since(restarted)
	node.start(t)
	down := time.Since(restarted)
	wait(t, "a link of each page after the upgrade", linked)
	var longest time.Duration
	for _, p := range all {
		state := p.State()
		longest = max(longest, state.Longest)
		if state.Out != "" || state.Blocked != 0 {
			t.Errorf("%v: %s, blocked with %d", p, state.Out, state.Blocked)
		}
	}
	after, failed := world.Backend.Posts()
	t.Logf("the old process ended after %v, the new one was ready after %v; longest without a link %v; %d beats, of which PHP answered %d; %d late, %d calls of the API failed",
		stopped, down, longest, world.Tally.Begun.Load()-begun, after-posts, world.Tally.Late.Load(), failed)
	if n := node.failed.Load(); n != 0 {
		t.Errorf("%d connections were refused", n)
	}
	if unasked, wrong := world.Tally.Wrong(); unasked+wrong != 0 {
		t.Errorf("%d answers to beats were not asked for, %d are no ticks", unasked, wrong)
	}
	if faults := node.Faults(); len(faults) > 0 {
		t.Error(faults)
	}
}
