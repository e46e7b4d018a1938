package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// balanced returns the nodes as pages see them behind a load balancer that sends each request to
// the next node.
func balanced(t *testing.T, nodes ...*node) *node {
	t.Helper()
	var next atomic.Int64
	via := &http.Transport{DisableKeepAlives: true}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: via, Rewrite: func(r *httputil.ProxyRequest) {
		to, _ := url.Parse(nodes[int(next.Add(1))%len(nodes)].url)
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	front := httptest.NewServer(proxy)
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	both := *nodes[0]
	both.url = front.URL
	return &both
}

// TestPollOnAnyNode long-polls and beats through a load balancer without stickiness while pushes
// arrive: no request finds its session gone, and each push arrives once and in order.
func TestPollOnAnyNode(t *testing.T) {
	first, second := newPair(t)
	first.subscribed(t)
	second.subscribed(t)
	n := balanced(t, first, second)
	p := n.page(t, 1)
	l := p.poller(t)
	if !strings.Contains(l.id, ".") {
		t.Errorf("the session's id names no node: %s", l.id)
	}
	const pushes = 20
	seq, got := uint64(0), []string{}
	for i := range pushes {
		if f := l.beat(uint64(i+1), p.pinging("dashboard")); f.Type != "tick" || f.ID != uint64(i+1) {
			t.Fatalf("beat %d: %+v", i+1, f)
		}
		first.pushed(t, `{"all":true}`, fmt.Sprint(i))
		for len(got) <= i {
			status, newest, frames := l.poll(seq)
			if status != 200 || newest < seq {
				t.Fatalf("a poll after %d: %d, up to %d", seq, status, newest)
			}
			seq = newest
			for _, f := range frames {
				if f.Type == "push" {
					got = append(got, string(f.Data))
				}
			}
		}
	}
	for i, data := range got {
		if data != fmt.Sprint(i) {
			t.Fatalf("the pushes are %v", got)
		}
	}
	for range 2 { // one of them on the other node
		r, _ := http.NewRequestWithContext(t.Context(), "POST", n.url+"/heartbeat/close", strings.NewReader(url.Values{"session": {l.id}}.Encode()))
		if answer := p.do(t, r); answer.StatusCode != 204 {
			t.Errorf("close: %d", answer.StatusCode)
		}
	}
	for range 2 {
		if status, _ := l.do("GET", "/poll?after=0", ""); status != http.StatusGone {
			t.Errorf("a poll after the close: %d", status)
		}
	}
}

// TestLargePollOnAnyNode polls frames that need several messages between the nodes.
func TestLargePollOnAnyNode(t *testing.T) {
	first, second := newPair(t)
	first.subscribed(t)
	p := first.page(t, 1)
	l := p.poller(t)
	const pushes, size = 6, 40 << 10
	for range pushes {
		first.pushed(t, `{"all":true}`, `"`+strings.Repeat("x", size)+`"`)
	}
	session := first.find(1, p.conn)
	elsewhere := *first
	elsewhere.url = second.url
	p.node = &elsewhere
	got, seq := 0, uint64(0)
	for got < pushes {
		_, newest, frames := l.poll(seq)
		seq = newest
		for _, f := range frames {
			if f.Type == "push" && len(f.Data) == size+2 {
				got++
			}
		}
	}
	if !session.connected() {
		t.Error("the session has lost its connection")
	}
}

// TestEventsOnAnyNode reads an event stream from a node that does not have the session.
func TestEventsOnAnyNode(t *testing.T) {
	first, second := newPair(t)
	second.subscribed(t)
	p := first.page(t, 1)
	l := p.poller(t)
	elsewhere := *first
	elsewhere.url = second.url
	p.node = &elsewhere
	s := &streamer{poller: l}
	s.open()
	if got := s.header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("the stream has the type %s", got)
	}
	s.next("presence")
	if f := s.beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("%+v", f)
	}
	second.pushed(t, `{"all":true}`, `"a push"`)
	if f := s.next("push"); string(f.Data) != `"a push"` {
		t.Errorf("%+v", f)
	}
	first.Drain(t.Context(), 0)
	if f := s.next("bye"); f.Code != 4001 {
		t.Errorf("%+v", f)
	}
}

// TestStopWithForwardedPoll stops a node that has passed a poll on: the poll is answered at once, and the
// session continues.
func TestStopWithForwardedPoll(t *testing.T) {
	first, second := newPair(t)
	first.subscribed(t)
	p := first.page(t, 1)
	l := p.poller(t)
	_, seq, _ := l.poll(0)
	elsewhere := *first
	elsewhere.url = second.url
	p.node = &elsewhere
	answered := make(chan uint64, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	defer polls.Wait()
	defer cancel()
	polls.Go(func() {
		for last := seq; ; { // until a frame arrives over the node that stops
			newest, frames := l.pollOnce(ctx, p.http, last)
			if len(frames) == 0 || frames[len(frames)-1].Type == "alive" {
				answered <- newest
				return
			}
			last = newest
		}
	})
	until(t, "a poll is passed on", func() bool { return first.forwarder.Answering() == 1 })
	second.forwarder.Stop()
	var got uint64
	select {
	case got = <-answered:
	case <-time.After(10 * time.Second):
	}
	if got <= seq {
		t.Fatalf("the poll is answered up to %d, want more than %d", got, seq)
	}
	p.node = first
	first.pushed(t, `{"all":true}`, `"a push"`)
	for after := got; ; {
		status, newest, frames := l.poll(after)
		if status != http.StatusOK {
			t.Fatalf("the next poll: %d", status)
		}
		if after = newest; slices.ContainsFunc(frames, func(f frame) bool { return f.Type == "push" }) {
			return
		}
	}
}

// TestStopWithForwardedStream stops a node that has passed a stream on while pushes arrive: the page's next stream
// continues where the last one has ended, also if it comes late. In most runs a push is under way then; package transport
// tests that it is kept.
func TestStopWithForwardedStream(t *testing.T) {
	first, second := newPair(t)
	first.subscribed(t)
	p := first.page(t, 1)
	s := &streamer{poller: p.poller(t)}
	elsewhere := *first
	elsewhere.url = second.url
	p.node = &elsewhere
	s.open()
	s.next("presence")
	const pushes = 200
	for i := range pushes {
		if i == pushes/2 {
			second.forwarder.Stop()
		}
		first.pushed(t, `{"all":true}`, fmt.Sprint(i))
	}
	got := 0
	check := func(f frame) {
		if string(f.Data) != fmt.Sprint(got) {
			t.Fatalf("the push %s comes after %d others", f.Data, got)
		}
		got++
	}
	for {
		f, err := s.read("push")
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		check(f)
	}
	time.Sleep(1500 * time.Millisecond) // the session of a client that is gone ends after a second
	p.node = first
	s.open()
	for got < pushes {
		check(s.next("push"))
	}
}

// TestForwardedPollIsCancelled checks that a poll ends on the session's node when its client goes
// away, and that the session then ends as it does without a node in between.
func TestForwardedPollIsCancelled(t *testing.T) {
	first, second := newPair(t)
	p := first.page(t, 1)
	l := p.poller(t)
	_, seq, _ := l.poll(0)
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/heartbeat/poll?after=%d", second.url, seq), nil)
	r.Header.Set(transport.SessionHeader, l.id)
	ended := make(chan error, 1)
	go func() {
		answer, err := p.http.Do(r)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		ended <- err
	}()
	until(t, "the poll is on the session's node", func() bool { return first.forwarder.Answering() == 1 })
	cancel()
	<-ended
	until(t, "the poll has ended there", func() bool { return first.forwarder.Answering() == 0 })
	until(t, "the session has ended", func() bool {
		status, _ := l.do("POST", "/beat", `{"type":"note","body":""}`)
		return status == http.StatusGone
	})
}

// TestForwardRefuses checks the answers to sessions that no node has, and that origins are checked
// by the node that gets the request.
func TestForwardRefuses(t *testing.T) {
	first, second := newPair(t)
	p := first.page(t, 1)
	l := p.poller(t)
	random := l.id[strings.IndexByte(l.id, '.'):]
	for _, id := range []string{"", "x", ".", "gone" + random, "*" + random, "a.b.c", ">" + random, strings.Repeat("n", 65) + random, first.broker.Node() + ".x", second.broker.Node() + random} {
		elsewhere := &poller{t: t, page: second.page(t, 1), id: id}
		if status, _ := elsewhere.do("GET", "/poll?after=0", ""); status != http.StatusGone {
			t.Errorf("session %q: %d", id, status)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", second.url+"/heartbeat/poll?after=0", nil)
	r.Header.Set(transport.SessionHeader, l.id)
	r.Header.Set("Origin", "https://evil.example")
	if answer := p.do(t, r); answer.StatusCode != http.StatusForbidden {
		t.Errorf("another origin: %d", answer.StatusCode)
	}
	first.Close()
	elsewhere := &poller{t: t, page: second.page(t, 1), id: l.id}
	if status, _ := elsewhere.do("GET", "/poll?after=0", ""); status != http.StatusServiceUnavailable && status != http.StatusGone {
		t.Errorf("a node that has stopped: %d", status)
	}
}

// TestAloneForwardsNothing checks that the ids of a node alone name no node.
func TestAloneForwardsNothing(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	if l := p.poller(t); strings.Contains(l.id, ".") {
		t.Errorf("the session is %s", l.id)
	}
	if n.broker.Node() == "" || !n.broker.IsAlone() {
		t.Error("the node is not alone")
	}
}

// TestForwardWhileDraining checks that a node that drains still passes on the requests of sessions
// of other nodes, until its own pages have left: the load balancer sends them until it has noticed.
func TestForwardWhileDraining(t *testing.T) {
	first, second := newPair(t)
	p := second.page(t, 1)
	l := p.poller(t)
	p.node = first
	first.balancer.Begin()
	first.sessions.close()
	if f := l.beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("a beat over the node that drains: %+v", f)
	}
	if status, _, _ := l.poll(0); status != http.StatusOK {
		t.Errorf("a poll over the node that drains: %d", status)
	}
	first.Drain(t.Context(), 0)
	if status, body := l.do("GET", "/poll?after=0", ""); status != http.StatusServiceUnavailable || !strings.Contains(string(body), `"code":4001`) {
		t.Errorf("a poll over a node that has drained: %d %s", status, body)
	}
}

// TestTestStreamIsNotForwarded checks that a test stream is answered by the node that gets the
// request, which knows the address of the client and its limit.
func TestTestStreamIsNotForwarded(t *testing.T) {
	first, second := newPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", second.url+"/heartbeat/events?test=1", nil)
	r.Header.Set(transport.SessionHeader, first.broker.Node()+".x")
	answer, err := second.page(t, 1).http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if n := first.forwarder.Answering(); n != 0 {
		t.Errorf("the other node answers %d test streams", n)
	}
}
