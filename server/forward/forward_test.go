package forward

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// pair starts two forwarders. The home's handler of polls is poll; front serves the other node.
func pair(t *testing.T, poll http.HandlerFunc) (home, other *Forwarder, front *httptest.Server) {
	t.Helper()
	home, other, front, _ = cuttablePair(t, poll)
	return home, other, front
}

// cuttablePair is pair with a function that cuts the connections of the other node to NATS.
func cuttablePair(t *testing.T, poll http.HandlerFunc) (home, other *Forwarder, front *httptest.Server, cut func()) {
	t.Helper()
	hub := nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0"})
	open := func(b *broker.Broker) *Forwarder {
		return New(Config{
			Broker: b, Handlers: map[string]http.HandlerFunc{"poll": poll}, Log: slog.New(slog.DiscardHandler),
			Retry: func() time.Duration { return time.Second }, Alive: func(string) {},
		})
	}
	address, cut := proxyTo(t, hub.ListenAddr())
	home, other = open(hub), open(nodetest.OpenBroker(t, broker.Config{URL: "nats://" + address}))
	t.Cleanup(home.Close)
	t.Cleanup(other.Close)
	front = httptest.NewServer(other.Handler("poll"))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	return home, other, front, cut
}

// get polls a session of the home over the other node.
func get(ctx context.Context, home *Forwarder, front *httptest.Server, id string) (status int, body string, err error) {
	r, _ := http.NewRequestWithContext(ctx, "GET", front.URL+"/poll?after=3&id="+id, nil)
	r.Header.Set(transport.SessionHeader, home.Prefix()+"a-session")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// until polls a condition. what names it in the failure.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for: " + what)
		}
	}
}

// TestRequestAndResponse checks what the handler gets, and what the client.
func TestRequestAndResponse(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 3*maxPart/16) + "end"
	home, _, front := pair(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s?%s ", r.Method, r.URL.Path, r.URL.RawQuery)
		_, _ = io.WriteString(w, large)
	})
	until(t, "an answer", func() bool {
		status, body, err := get(t.Context(), home, front, "7")
		return err == nil && status == http.StatusTeapot && body == "GET /poll?after=3&id=7 "+large
	})
}

// TestAbort checks that a handler that ends the connection ends that of the client.
func TestAbort(t *testing.T) {
	home, _, front := pair(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	until(t, "a response that is cut", func() bool {
		_, body, err := get(t.Context(), home, front, "7")
		return err != nil && body == "begun"
	})
}

// TestPanic checks that a handler that panics ends its own request only.
func TestPanic(t *testing.T) {
	home, _, front := pair(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("id") == "666" {
			panic("a fault of a hook")
		}
	})
	until(t, "an answer", func() bool {
		status, _, err := get(t.Context(), home, front, "7")
		return err == nil && status == http.StatusOK
	})
	if status, _, err := get(t.Context(), home, front, "666"); err == nil {
		t.Errorf("the handler has panicked, and the client gets %d", status)
	}
	if status, _, err := get(t.Context(), home, front, "8"); err != nil || status != http.StatusOK {
		t.Errorf("the next request: %d %v", status, err)
	}
}

// TestCutByStop checks that a response that has begun when the node stops is not taken for a
// complete one.
func TestCutByStop(t *testing.T) {
	home, other, front := pair(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", front.URL+"/poll?after=3&id=7", nil)
	r.Header.Set(transport.SessionHeader, home.Prefix()+"a-session")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.ReadFull(answer.Body, make([]byte, len("begun"))); err != nil {
		t.Fatal(err)
	}
	other.Stop()
	if rest, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("the client takes %q for the rest of the response", rest)
	}
}

// TestStopOfHome checks that the requests of other nodes are answered when the session's node stops.
func TestStopOfHome(t *testing.T) {
	const polls = 20
	home, _, front := pair(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(http.StatusGone)
	})
	answers := make(chan string, polls)
	for i := range polls {
		go func() {
			status, _, err := get(t.Context(), home, front, strconv.Itoa(i+1))
			answers <- fmt.Sprint(status, err)
		}()
	}
	until(t, "all polls", func() bool { return home.Answering() == polls })
	home.Close()
	for range polls {
		select {
		case got := <-answers:
			if got != "410<nil>" && got != "410 <nil>" {
				t.Errorf("an answer: %s", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a poll is not answered")
		}
	}
}

// TestBounds reaches the bounds of both nodes.
func TestBounds(t *testing.T) {
	home, other, front := pair(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	defer polls.Wait()
	defer cancel()
	poll := func() { polls.Go(func() { _, _, _ = get(ctx, home, front, "1") }) }
	poll()
	until(t, "a poll", func() bool { return home.Answering() == 1 })
	home.mu.Lock()
	home.most = 1
	home.mu.Unlock()
	if status, _, err := get(t.Context(), home, front, "2"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("above the bound of the session's node: %d %v", status, err)
	}
	other.mu.Lock()
	other.most = 1
	other.mu.Unlock()
	if status, body, err := get(t.Context(), home, front, "3"); err != nil || status != http.StatusTooManyRequests || !strings.Contains(body, "too many requests") {
		t.Errorf("above the bound of the other node: %d %s %v", status, body, err)
	}
}

// TestLostClient checks that a handler ends whose client's node no longer asks for more.
func TestLostClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{ctx: t.Context(), cancel: func(error) {}, header: make(http.Header)}
		if err := x.FlushError(); err != errNotAsked {
			t.Error(err)
		}
	})
}

// TestMetrics checks the numbers of requests by their result.
func TestMetrics(t *testing.T) {
	home, other, front := pair(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("id") == "1" {
			<-r.Context().Done()
		}
	})
	registry := prometheus.NewRegistry()
	other.Register(registry)
	value := func(line string) bool {
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
		return strings.Contains(answer.Body.String(), "\n"+line+"\n")
	}
	until(t, "an answer", func() bool {
		status, _, err := get(t.Context(), home, front, "2")
		return err == nil && status == http.StatusOK && value(`heartbeatd_forwarded_requests_total{result="answered"} 1`)
	})
	ctx, cancel := context.WithCancel(t.Context())
	var polls sync.WaitGroup
	polls.Go(func() { _, _, _ = get(ctx, home, front, "1") })
	until(t, "a request that is passed on", func() bool { return home.Answering() == 1 && value("heartbeatd_forwarding_requests 1") })
	cancel()
	polls.Wait()
	until(t, "the client that has left", func() bool {
		return value(`heartbeatd_forwarded_requests_total{result="left"} 1`) && value("heartbeatd_forwarding_requests 0")
	})
	other.Stop()
	if status, _, err := get(t.Context(), home, front, "3"); err != nil || status != http.StatusServiceUnavailable || !value(`heartbeatd_forwarded_requests_total{result="refused"} 1`) {
		t.Errorf("a request after the stop: %d %v", status, err)
	}
}
