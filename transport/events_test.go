package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// streamRecorder is a ResponseWriter without a network, for tests with a fake clock.
type streamRecorder struct {
	*httptest.ResponseRecorder
	broken time.Time     // when writes begin to fail; zero: never
	err    error         // of these writes
	wait   time.Duration // which each of them takes
}

func (r *streamRecorder) SetReadDeadline(time.Time) error  { return nil }
func (r *streamRecorder) SetWriteDeadline(time.Time) error { return nil }
func (r *streamRecorder) Write(b []byte) (int, error) {
	if !r.broken.IsZero() && !time.Now().Before(r.broken) {
		time.Sleep(r.wait)
		return 0, r.err
	}
	return r.ResponseRecorder.Write(b)
}

// stream requests a stream after the event with an id, and returns when it ends.
func (p *polls) stream(ctx context.Context, id, after string) *streamRecorder {
	w := &streamRecorder{ResponseRecorder: httptest.NewRecorder()}
	p.streamTo(ctx, w, id, after)
	return w
}

func (p *polls) streamTo(ctx context.Context, w http.ResponseWriter, id, after string) {
	r := httptest.NewRequestWithContext(ctx, "GET", "/events?after="+after, nil)
	r.Header.Set(SessionHeader, id)
	(&Events{Sessions: p.Sessions}).ServeHTTP(w, r)
}

// TestStream checks that frames are written as events, with comments while there are none,
// and that the next stream continues.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		started := time.Now()
		time.AfterFunc(keepAlive+time.Second, func() {
			p.e.out.Send([]byte("{\"data\":[1,\r\n2]}"))
			p.e.out.Send([]byte("2"))
		})
		w := p.stream(t.Context(), id, "0")
		if took := time.Since(started); took != streamTime {
			t.Errorf("the stream lasted %v", took)
		}
		if want := ":\n\n:\n\nid:1\ndata:{\"data\":[1,  2]}\n\nid:2\ndata:2\n\n:\n\n"; w.Body.String() != want {
			t.Errorf("wrote %q, want %q", w.Body, want)
		}
		h := w.Header()
		if h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("the headers are %v", h)
		}
		time.Sleep(receiveGap - 1)
		if p.gone() {
			t.Fatal("the session ended before the next stream")
		}
		p.e.out.Send([]byte("3"))
		p.e.out.Bye(&Bye{Code: CodeTicket, Reason: "ticket expired"})
		if w := p.stream(t.Context(), id, "2&id=77"); w.Body.String() != ":77\n\nid:3\ndata:3\n\nid:4\ndata:{\"type\":\"bye\",\"code\":4003,\"reason\":\"ticket expired\"}\n\n" {
			t.Errorf("then %q", w.Body)
		}
		for _, request := range []string{"x", "0", "-1"} {
			if w := p.stream(t.Context(), id, "4&id="+request); w.Code != http.StatusBadRequest {
				t.Errorf("the request's id %s: %d", request, w.Code)
			}
		}
		if w := p.stream(t.Context(), id, "4"); w.Code != http.StatusGone || !p.gone() {
			t.Errorf("after the bye: %d", w.Code)
		}
	})
}

// TestStreamEnds checks when the session of a page without a stream ends: after a stream,
// after a connection that broke, and after a write that failed.
func TestStreamEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream func(t *testing.T, p *polls, id string)
		gone   time.Duration
	}{
		{"no stream", func(*testing.T, *polls, string) {}, receiveGap},
		{"no further stream", func(t *testing.T, p *polls, id string) { p.stream(t.Context(), id, "0") }, streamTime + receiveGap},
		{"the connection broke", func(t *testing.T, p *polls, id string) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			p.stream(ctx, id, "0")
		}, time.Second + lostGap},
		{"a node in between has stopped", func(t *testing.T, p *polls, id string) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(ErrAgain) })
			p.stream(ctx, id, "0")
		}, time.Second + receiveGap},
		{"a node in between has stopped before a write", func(t *testing.T, p *polls, id string) {
			w := &streamRecorder{httptest.NewRecorder(), time.Now().Add(time.Second), ErrAgain, 0}
			p.streamTo(t.Context(), w, id, "0")
		}, keepAlive + receiveGap},
		{"a write failed", func(t *testing.T, p *polls, id string) {
			w := &streamRecorder{httptest.NewRecorder(), time.Now().Add(time.Second), errors.New("broken pipe"), 0}
			p.streamTo(t.Context(), w, id, "0")
		}, keepAlive},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPolls()
				id := p.open()
				go c.stream(t, p, id)
				time.Sleep(c.gone - 1)
				if p.gone() {
					t.Error("gone too early")
				}
				time.Sleep(time.Nanosecond)
				if !p.gone() {
					t.Errorf("not gone after %v", c.gone)
				}
			})
		})
	}
}

// TestStreamAgain checks that the next stream gets the events that the last one has written perhaps in vain.
func TestStreamAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		p.e.out.Send([]byte("1"))
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), keepAlive/2)
			defer cancel()
			if w := p.stream(ctx, id, "0"); w.Body.String() != ":\n\nid:1\ndata:1\n\n" {
				t.Errorf("wrote %q", w.Body)
			}
		}
	})
}

// TestStreamReplaced checks that a stream that another one has replaced ends with the write that is under way, and does
// not end the session, also if that write fails.
func TestStreamReplaced(t *testing.T) {
	for _, err := range []error{errors.New("broken pipe"), nil} {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls()
			id := p.open()
			began, ended := time.Now(), make(chan time.Duration, 1)
			go func() {
				p.streamTo(t.Context(), &streamRecorder{httptest.NewRecorder(), began.Add(time.Second), err, keepAlive / 2}, id, "0")
				ended <- time.Since(began)
			}()
			time.Sleep(2 * time.Second)
			p.e.out.Send([]byte("1"))
			synctest.Wait()
			p.e.out.Send([]byte("2"))
			second := make(chan string, 1)
			go func() { second <- p.stream(t.Context(), id, "0").Body.String() }()
			if took := <-ended; took != 2*time.Second+keepAlive/2 {
				t.Errorf("write error %v: the older stream ended after %v", err, took)
			}
			if body := <-second; !strings.HasPrefix(body, ":\n\nid:1\ndata:1\n\nid:2\ndata:2\n\n") {
				t.Errorf("the newer stream: %q", body)
			}
			if w := p.stream(t.Context(), id, "2"); w.Code != http.StatusOK {
				t.Errorf("the next stream: %d", w.Code)
			}
		})
	}
}

// TestStreamLost checks that the session of a page that did not receive all events ends,
// and that an invalid id is refused.
func TestStreamLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		for _, bad := range []string{"", "-1", "x"} {
			if w := p.stream(t.Context(), id, bad); w.Code != http.StatusBadRequest {
				t.Errorf("after=%s: %d", bad, w.Code)
			}
		}
		p.e.out.Send([]byte("1"))
		p.stream(t.Context(), id, "0")
		p.e.out.Send([]byte("2"))
		if w := p.stream(t.Context(), id, "0"); w.Code != http.StatusGone || !p.gone() {
			t.Errorf("event 1 was lost: %d %s", w.Code, w.Body)
		}
	})
}

// TestTwoStreams checks that the newer of two streams gets the frames.
func TestTwoStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		first, second := make(chan string, 1), make(chan string, 1)
		go func() { first <- p.stream(t.Context(), id, "0").Body.String() }()
		synctest.Wait()
		go func() { second <- p.stream(t.Context(), id, "0").Body.String() }()
		if body := <-first; body != ":\n\n" {
			t.Errorf("the older one: %q", body)
		}
		p.e.out.Send([]byte("1"))
		p.e.out.Bye(errStopping)
		if body := <-second; !strings.Contains(body, "id:1\ndata:1\n\nid:2\ndata:{\"type\":\"bye\"") {
			t.Errorf("the newer one: %q", body)
		}
	})
}

// TestTestStream checks that a test stream, which needs no session, has its first line and
// nothing else, and that the number of test streams is limited and the limit reported.
func TestTestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		events := &Events{Sessions: newPolls().Sessions, Stop: stop}
		var streams sync.WaitGroup
		var from netip.Prefix
		events.Address = func(*http.Request) (netip.Prefix, bool) { return from, from.IsValid() }
		test := func(query string) *streamRecorder {
			w := &streamRecorder{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/events?"+query, nil)
			streams.Go(func() { events.ServeHTTP(w, r) })
			synctest.Wait()
			return w
		}
		started := time.Now()
		w := test("test=1&id=7")
		if !w.Flushed || w.Body.String() != ":7\n\n" || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("wrote %q, flushed: %v, with the headers %v", w.Body, w.Flushed, w.Header())
		}
		streams.Wait()
		if took := time.Since(started); took != testTime || w.Body.Len() != len(":7\n\n") {
			t.Errorf("the stream lasted %v, and wrote %q", took, w.Body)
		}
		limits := 0
		events.Sessions.OnRefuse = func(*http.Request, *Bye) { limits++ }
		for _, address := range []string{"192.0.2.0/32", "2001:db8::/64"} {
			from = netip.MustParsePrefix(address)
			for range maxTestsFrom {
				test("test=1")
			}
			if w := test("test=1"); w.Code != http.StatusTooManyRequests || limits != 1 {
				t.Errorf("more than %d from %s: %d, OnRefuse was called %d times", maxTestsFrom, address, w.Code, limits)
			}
			limits = 0
		}
		from = netip.Prefix{}
		for range maxTests - 2*maxTestsFrom {
			test("test=1")
		}
		if w := test("test=1"); w.Code != http.StatusTooManyRequests || limits != 1 {
			t.Errorf("more than %d at once: %d, OnRefuse was called %d times", maxTests, w.Code, limits)
		}
		started = time.Now()
		close(stop)
		streams.Wait()
		if events.tests != 0 || len(events.from) != 0 {
			t.Errorf("%d streams of %v are left", events.tests, events.from)
		}
		if took := time.Since(started); took != 0 {
			t.Errorf("the streams went on for %v", took)
		}
	})
}

// TestStreamAborted checks that the response of a stream that misses an event is aborted,
// so that the client sees that it is incomplete.
func TestStreamAborted(t *testing.T) {
	e := &echo{detached: make(chan *Outbox, 1)}
	_, body := streamFrom(t, e, func(*http.Server) {})
	e.out.mu.Lock()
	e.out.last++
	e.out.mu.Unlock()
	e.out.Send([]byte("2"))
	if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the body ended with %v", err)
	}
	<-e.detached
}

// streamFrom opens a session and a stream over a network.
func streamFrom(t *testing.T, e *echo, configure func(*http.Server)) (*Sessions, *bufio.Reader) {
	t.Helper()
	p := &polls{&Sessions{Server: e}, e}
	s := httptest.NewUnstartedServer(&Events{Sessions: p.Sessions})
	configure(s.Config)
	s.Start()
	t.Cleanup(func() {
		p.Stop()
		s.CloseClientConnections()
		s.Close()
	})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/events?after=0", nil)
	r.Header.Set(SessionHeader, p.open())
	response, err := s.Client().Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return p.Sessions, bufio.NewReader(response.Body)
}

// TestStreamOutlivesReadTimeout checks that a stream lasts longer than the server's
// ReadTimeout, which is for the body of a request.
func TestStreamOutlivesReadTimeout(t *testing.T) {
	e := &echo{detached: make(chan *Outbox, 1)}
	const timeout = 50 * time.Millisecond
	_, body := streamFrom(t, e, func(s *http.Server) { s.ReadTimeout = timeout })
	over := time.Now().Add(4 * timeout)
	until(t, "the timeout passes", func() bool { return time.Now().After(over) })
	e.out.Send([]byte("1"))
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if line == "data:1\n" {
			return
		}
	}
}

// TestSlowStream checks that the session of a client that reads nothing ends when its
// outbox has DefaultQueueBytes bytes.
func TestSlowStream(t *testing.T) {
	e := &echo{detached: make(chan *Outbox, 1)}
	_, body := streamFrom(t, e, func(*http.Server) {})
	frame := []byte(`{"data":"` + strings.Repeat("x", 1<<20) + `"}`)
	until(t, "the outbox is full", func() bool {
		e.out.Send(frame)
		_, _, bye := e.out.After(0)
		return bye != nil
	})
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if strings.HasPrefix(line, `data:{"type":"bye","code":4002`) {
			break
		}
	}
	<-e.detached
}

// TestAnotherPackage checks that a transport can be written outside of the package: it
// builds events.go as a package of its own.
func TestAnotherPackage(t *testing.T) {
	const module = "github.com/heartbeatd/heartbeatd"
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(source), "package transport\n", "package outside\n", 1)
	text = strings.Replace(text, "import (\n", "import (\n\t. \""+module+"/transport\"\n", 1)
	moved := filepath.Join(t.TempDir(), "events.go")
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(here, "events.go"):            "", // not there
		filepath.Join(here, "outside", "events.go"): moved,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(moved, []byte(text), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "./outside").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
