package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// within panics with the stacks of all goroutines if f takes longer than d.
func within(d time.Duration, what string, f func()) {
	late := time.AfterFunc(d, func() {
		debug.SetTraceback("all")
		panic(what + " does not end")
	})
	defer late.Stop()
	f()
}

// TestStopEnds calls Close several times at once while NATS does not answer, pages open and
// close, and pushes arrive.
func TestStopEnds(t *testing.T) {
	n, g := newGatedNode(t)
	g.shut()
	defer g.open()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()

	const pages, sites = 40, 8
	var fresh atomic.Int64
	for i := range pages {
		work.Go(func() {
			for ctx.Err() == nil {
				site := 2 + i%sites
				if i%2 == 0 { // a site that is not watched yet
					site = 2 + sites + int(fresh.Add(1))
				}
				p := n.memberPage(t, fmt.Sprintf("%s-%d", demoSite, site), 100+i)
				if i%4 < 2 {
					openAndPoll(ctx, p)
				} else {
					openAndBeat(ctx, p)
				}
			}
		})
	}
	work.Go(func() {
		for seq := uint64(1); ctx.Err() == nil; seq++ {
			for i := range sites {
				site := fmt.Sprintf("%s-%d", demoSite, 2+i)
				push := fmt.Appendf(nil, `{"kind":"push","to":{"all":true},"data":%d}`, seq)
				n.replay.receive(broker.Message{Site: site, Cursor: topic.Cursor{Epoch: "e", Seq: seq*8 + uint64(i)}, Data: push})
			}
		}
	})
	until(t, "some sessions and new sites", func() bool {
		n.sessions.mu.Lock()
		defer n.sessions.mu.Unlock()
		return len(n.sessions.byKey) >= pages/4 && fresh.Load() > pages/2
	})
	within(time.Minute, "Close", func() {
		var stops sync.WaitGroup
		for range 3 {
			stops.Go(n.Close)
		}
		stops.Go(func() { n.Drain(ctx, time.Hour) })
		stops.Wait()
	})
	if got := len(n.sessions.close()); got > 0 {
		t.Errorf("%d sessions are left", got)
	}
	for _, st := range n.sites.all() {
		if _, err := st.open(); err == nil {
			t.Errorf("%s is watched after the stop", st.ID)
		}
	}
	n.Close()
}

// openAndBeat opens a page's socket, beats and closes it. It ignores the answers.
func openAndBeat(ctx context.Context, p *page) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, p.node.url+"/heartbeat/socket", &websocket.DialOptions{Subprotocols: []string{transport.Subprotocol}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for _, frame := range []string{p.hello(), `{"type":"note","body":"data[presence-ping][screen]=a"}`, `{"type":"beat","id":1,"body":"a=b"}`} {
		if c.Write(ctx, websocket.MessageText, []byte(frame)) != nil {
			return
		}
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
	}
}

func openAndPoll(ctx context.Context, p *page) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", p.node.url+"/heartbeat/open", strings.NewReader(p.hello()))
	if answer, err := p.http.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

// TestNothingRunsAfterStop checks that the timers of a session and its room end with it.
func TestNothingRunsAfterStop(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	session, st := n.find(1, p.conn), n.sites.configured[demoSite]
	n.enter(wordpress.AdminRoom, 7, "a")
	n.enter(wordpress.AdminRoom, 7, "b") // is delayed until the room's next frame
	var client sync.WaitGroup
	client.Go(func() { s.ended() }) // answers the close frame
	n.Close()
	client.Wait()
	session.expire() // as if the timer had fired just before
	if session.timer.Stop() {
		t.Error("the session's timer still runs")
	}
	if st.rooms.Len() > 0 || n.find(1, p.conn) != nil {
		t.Error("the session or its room is left")
	}
}
