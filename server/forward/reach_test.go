package forward

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/transport"
)

// TestUnreachable checks that a session is not said to be gone when the node cannot ask: the client is sent to other
// nodes, as often as maxHops.
func TestUnreachable(t *testing.T) {
	home, other, front := pair(t, func(http.ResponseWriter, *http.Request) {})
	_ = other.Broker.Close()
	var asked []string
	inner := front.Config.Handler
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI()+" "+r.Header.Get(transport.SessionHeader))
		inner.ServeHTTP(w, r)
	})
	if status, _, err := get(t.Context(), home, front, "7"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("without NATS: %d %v", status, err)
	}
	session := " " + home.Prefix() + "a-session"
	want := []string{"/poll?after=3&id=7" + session, "/poll?after=3&hops=1&id=7" + session, "/poll?after=3&hops=2&id=7" + session, "/poll?after=3&hops=3&id=7" + session}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// TestElsewhere checks that a node without NATS redirects a hello with its body, and opens the session in the end.
func TestElsewhere(t *testing.T) {
	_, other, _ := pair(t, nil)
	opened := 0
	front := httptest.NewServer(other.Elsewhere(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) == "hello" && r.Method == http.MethodPost {
			opened++
		}
	}))
	defer front.Close()
	open := func(path string) {
		t.Helper()
		answer, err := http.Post(front.URL+path, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("status %d", answer.StatusCode)
		}
	}
	open("/open?id=1")
	_ = other.Broker.Close()
	open("/open?id=2")
	open("/open?hops=-5")
	if opened != 3 {
		t.Errorf("opened %d sessions of 3", opened)
	}
}

// TestHomeCutOff checks that the client hears soon that nobody answers at the node of its session, and
// that a poll may wait for longer than that.
func TestHomeCutOff(t *testing.T) {
	release := make(chan struct{})
	home, other, front := pair(t, func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("id") {
		case "1":
			<-release
		case "2":
			<-r.Context().Done()
		}
	})
	until(t, "an answer", func() bool {
		status, _, err := get(t.Context(), home, front, "7")
		return err == nil && status == http.StatusOK
	})
	var probes atomic.Int32
	other.Broker.Hear(subject(home.Broker.Node(), "request"), func(m *nats.Msg) {
		if m.Header.Get(nameField) == "" {
			probes.Add(1)
		}
	})
	held := make(chan string, 1)
	go func() {
		status, _, err := get(t.Context(), home, front, "1")
		held <- fmt.Sprint(status, err)
	}()
	until(t, "a question whether the node is there", func() bool { return probes.Load() == 1 })
	time.AfterFunc(reachWait, func() { close(release) })
	if got := <-held; got != "200 <nil>" {
		t.Errorf("a poll that waits gets %s", got)
	}

	go func() {
		status, _, err := get(t.Context(), home, front, "2")
		held <- fmt.Sprint(status, err)
	}()
	until(t, "a question for the second poll", func() bool { return probes.Load() > 1 })
	home.mu.Lock() // it takes no message now
	defer home.mu.Unlock()
	if got := <-held; got != "410 <nil>" {
		t.Errorf("a poll whose node is cut off while it waits gets %s", got)
	}
	if status, _, err := get(t.Context(), home, front, "8"); err != nil || status != http.StatusGone {
		t.Errorf("a node that is cut off: %d %v", status, err)
	}
}

// TestLostAnswer checks that a poll is passed on again if its node has connected to NATS anew meanwhile: the
// answer may be lost.
func TestLostAnswer(t *testing.T) {
	polls := make(chan struct{}, 100)
	home, _, front, cut := cuttablePair(t, func(_ http.ResponseWriter, r *http.Request) {
		polls <- struct{}{}
		if len(polls) == 1 {
			<-r.Context().Done()
		}
	})
	answer := make(chan string, 1)
	poll := func() {
		status, _, err := get(t.Context(), home, front, "7")
		answer <- fmt.Sprint(status, err)
	}
	go poll()
	until(t, "a poll", func() bool {
		select {
		case <-answer: // the home does not hear yet
			go poll()
		default:
		}
		return len(polls) == 1
	})
	cut()
	select {
	case got := <-answer:
		if got != "200 <nil>" {
			t.Errorf("the poll gets %s", got)
		}
	case <-time.After(partWait - 5*time.Second):
		t.Error("the poll is not answered")
	}
}

// TestLost checks that a poll is passed on again if NATS has lost its answer, or the home is not asked for it any
// more, and that a part of a stream that is lost ends the stream.
func TestLost(t *testing.T) {
	var home *Forwarder
	var tries atomic.Int32
	second := make(chan struct{})
	// question takes the message that asks a request for a part.
	question := func(w http.ResponseWriter) (*exchange, *nats.Msg) {
		x := w.(*exchange)
		return x, <-x.asked
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		_, _ = io.WriteString(w, id)
		switch {
		case id == "stream":
			_ = http.NewResponseController(w).Flush()
			question(w)
			<-r.Context().Done()
		case id == "answer" && tries.Add(1) == 1:
			x, m := question(w)
			m.Reply = "_INBOX.of-nobody"
			x.asked <- m
		case id == "question" && tries.Add(1) == 1:
			question(w)
			<-second
		case id == "question":
			close(second) // the session has one poll at a time
		}
	}
	here, _, front := pair(t, serve)
	home = here
	until(t, "an answer", func() bool {
		status, _, err := get(t.Context(), home, front, "7")
		return err == nil && status == http.StatusOK
	})
	for _, id := range []string{"answer", "question"} {
		tries.Store(0)
		if status, body, err := get(t.Context(), home, front, id); status != http.StatusOK || body != id || err != nil || tries.Load() != 2 {
			t.Errorf("%s: %d %q %v after %d tries", id, status, body, err, tries.Load())
		}
	}
	begun := time.Now()
	if status, body, err := get(t.Context(), home, front, "stream"); status != http.StatusOK || body != "stream" || err == nil {
		t.Errorf("a stream: %d %q %v", status, body, err)
	}
	if time.Since(begun) > partWait-5*time.Second {
		t.Error("a stream whose part is lost ends with the time for a part only")
	}
}

// proxyTo starts a TCP proxy whose connections cut closes.
func proxyTo(t *testing.T, to string) (address string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards open
	var open []net.Conn
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			running.Go(func() { _, _ = io.Copy(in, out) })
			running.Go(func() { _, _ = io.Copy(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cut()
		running.Wait()
	})
	return l.Addr().String(), cut
}
