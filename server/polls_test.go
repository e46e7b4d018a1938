package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestPollRate counts the polls of 40 pages while one of their users changes the screen every
// 100 ms, and checks that all pages see a join within 1 s.
func TestPollRate(t *testing.T) {
	n := newNode(t)
	const pages, duration, busy, most = 40, 8 * time.Second, 100 * time.Millisecond, 6
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * pages}}
	t.Cleanup(client.CloseIdleConnections)
	person := func(id int) *poller {
		claims := claimsFor(fmt.Sprint(id))
		claims.Can = []string{"edit_posts"}
		signed, err := ticket.Sign(demoSite, n.demo.Secret(), claims, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return (&page{node: n, http: client, ticket: signed, conn: fmt.Sprintf("page-of-%d", id)}).poller(t)
	}
	note := func(l *poller, screen string) {
		l.do("POST", "/beat", fmt.Sprintf(`{"type":"note","body":"data[presence-ping][screen]=%s"}`, screen))
	}

	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	defer polling.Wait()
	defer cancel()
	var polls, seen atomic.Int64
	var all []*poller
	for i := range pages {
		l := person(100 + i)
		note(l, "dashboard")
		all = append(all, l)
	}
	for _, l := range all {
		polling.Go(func() {
			for seq := uint64(0); ctx.Err() == nil; {
				var frames []frame
				if seq, frames = l.pollOnce(ctx, client, seq); ctx.Err() != nil {
					return
				}
				polls.Add(1)
				for _, f := range frames {
					if slices.ContainsFunc(f.Joined, func(e map[string]any) bool { return e["client_id"] == "user-999" }) {
						seen.Add(1)
					}
				}
			}
		})
	}
	tick := time.NewTicker(busy)
	defer tick.Stop()
	started := time.Now()
	visitor := time.Time{}
	var late time.Duration
	for i := 0; time.Since(started) < duration; i++ {
		note(all[i%pages], fmt.Sprint("screen-", i))
		if visitor.IsZero() && time.Since(started) > duration/2 {
			visitor = time.Now()
			note(person(999), "dashboard")
		}
		if seen.Load() == pages && late == 0 {
			late = time.Since(visitor)
		}
		<-tick.C
	}
	perPage := float64(polls.Load()) / pages
	t.Logf("%.1f polls of each page in %v; all pages see a join after %v", perPage, duration, late)
	if perPage > most {
		t.Errorf("%.1f polls of each page in %v, want at most %d", perPage, duration, most)
	}
	if late == 0 || late > time.Second+2*busy {
		t.Errorf("%d of %d pages see a join, after %v", seen.Load(), pages, late)
	}
}

// pollOnce polls once. Unlike poll it does not end the test if ctx ends.
func (l *poller) pollOnce(ctx context.Context, client *http.Client, after uint64) (uint64, []frame) {
	r, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/heartbeat/poll?after=%d", l.page.node.url, after), nil)
	r.Header.Set(transport.SessionHeader, l.id)
	answer, err := client.Do(r)
	if err != nil {
		return after, nil
	}
	defer func() { _ = answer.Body.Close() }()
	b, _ := io.ReadAll(answer.Body)
	var got struct {
		Seq    uint64
		Frames []frame
	}
	if json.Unmarshal(b, &got) != nil && ctx.Err() == nil {
		l.t.Errorf("a poll was answered %d %s", answer.StatusCode, strings.TrimSpace(string(b)))
	}
	return got.Seq, got.Frames
}
