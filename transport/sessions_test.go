package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// TestBrokenRequest checks that a request with an incomplete body is refused without a bye,
// and that its session and the waiting poll continue.
func TestBrokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		done := make(chan string, 1)
		go func() {
			_, body := p.poll(t.Context(), id, 0)
			done <- body
		}()
		synctest.Wait()
		for path, handler := range map[string]http.HandlerFunc{"/open": p.Open, "/beat?type=beat&id=5": p.Beat, "/close": p.Close} {
			r := httptest.NewRequest("POST", path, iotest.ErrReader(errors.New("unexpected EOF")))
			r.Header.Set("Content-Type", formType)
			r.Header.Set(SessionHeader, id)
			w := httptest.NewRecorder()
			handler(w, r)
			if w.Code != http.StatusRequestTimeout || w.Body.String() != errIncomplete.Error()+"\n" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		synctest.Wait()
		select {
		case body := <-done:
			t.Fatalf("the poll was answered %s", body)
		default:
		}
		p.e.out.Send([]byte(`1`))
		if body := <-done; body != `{"seq":1,"frames":[1]}` {
			t.Errorf("the poll after a frame: %s", body)
		}
	})
}

// TestEndedPoll ends a session when a poll has just arrived. The poll is answered with 410,
// since the client takes an early empty response for that of a cache.
func TestEndedPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		session := p.find(id)
		done := make(chan int, 1)
		started := time.Now()
		go func() {
			status, _ := p.poll(t.Context(), id, 0)
			done <- status
		}()
		synctest.Wait()
		session.End(nil) // as the gap's timer does if it fires before the poll stops it
		if status := <-done; status != http.StatusGone || time.Since(started) != 0 {
			t.Errorf("the poll was answered %d after %v", status, time.Since(started))
		}
	})
}

// close sends the beacon of a page that is left.
func (p *polls) close(body string) (status int) {
	r := httptest.NewRequest("POST", "/close", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	w := httptest.NewRecorder()
	p.Close(w, r)
	return w.Code
}

// TestClose checks that the beacon of a page ends its session while a poll waits, and that
// a beacon with another id ends none.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		go p.poll(t.Context(), id, 0)
		synctest.Wait()
		for body, want := range map[string]int{
			"session=" + id[:len(id)-1]: 204, "session=": 204, "": 204, "session=%zz": 400, "session=" + strings.Repeat("x", maxClose): 400,
		} {
			if status := p.close(body); status != want {
				t.Errorf("%.40q: status %d, want %d", body, status, want)
			}
		}
		if p.gone() {
			t.Error("a close with another id ended the session")
		}
		if status := p.close("session=" + id); status != 204 || !p.gone() {
			t.Errorf("the page's own close: status %d, gone %v", status, p.gone())
		}
		if status, _ := p.poll(t.Context(), id, 0); status != 410 {
			t.Errorf("a poll after the close: %d", status)
		}
	})
}

// TestSessionLimit reaches the limit of sessions of a node.
func TestSessionLimit(t *testing.T) {
	p := newPolls()
	var refused *Bye
	p.OnRefuse = func(_ *http.Request, bye *Bye) { refused = bye }
	p.sessions = make(map[string]*HTTPSession)
	for i := range maxHTTPSessions {
		p.sessions[fmt.Sprint(i)] = &HTTPSession{}
	}
	w := httptest.NewRecorder()
	p.Open(w, httptest.NewRequest("POST", "/open", strings.NewReader(`{"type":"hello"}`)))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("a session above the limit: %d %s", w.Code, w.Body)
	}
	if refused == nil || refused.Code != CodeTooMany {
		t.Errorf("OnRefuse was called with %v", refused)
	}
}

// opener is a Server whose Open is set by the test.
type opener struct {
	echo
	open func(*Outbox) (Session, Welcome, error)
}

func (o *opener) Open(_ *http.Request, _ Hello, out *Outbox) (Session, Welcome, error) {
	return o.open(out)
}

// TestFailedOpen checks that a session that did not begin is not counted: Server.Open
// returns an error, panics, or returns after Stop.
func TestFailedOpen(t *testing.T) {
	o := &opener{echo: echo{detached: make(chan *Outbox, 10)}}
	p := &Sessions{Server: o}
	open := func(f func(*Outbox) (Session, Welcome, error)) (w *httptest.ResponseRecorder) {
		defer func() { _ = recover() }()
		o.open = f
		w = httptest.NewRecorder()
		p.Open(w, httptest.NewRequest("POST", "/open", strings.NewReader(`{"type":"hello"}`)))
		return w
	}
	open(func(*Outbox) (Session, Welcome, error) { panic("too much") })
	open(func(*Outbox) (Session, Welcome, error) { return nil, Welcome{}, errStopping })
	if len(p.sessions) != 0 {
		t.Errorf("%d sessions are counted, want none", len(p.sessions))
	}
	w := open(func(*Outbox) (Session, Welcome, error) {
		p.Stop()
		return o, Welcome{}, nil
	})
	if w.Code != http.StatusServiceUnavailable || len(o.detached) != 1 || len(p.sessions) != 0 {
		t.Errorf("opened while stopping: %d, %d detached, %d sessions", w.Code, len(o.detached), len(p.sessions))
	}
	if w := open(func(*Outbox) (Session, Welcome, error) { return o, Welcome{}, nil }); w.Code != http.StatusServiceUnavailable {
		t.Errorf("opened after the stop: %d", w.Code)
	}
}

// TestStopEndsPolls checks that Stop answers a waiting poll and detaches its session.
func TestStopEndsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		done := make(chan string)
		go func() {
			_, body := p.poll(t.Context(), id, 0)
			done <- body
		}()
		synctest.Wait()
		p.Stop()
		if body := <-done; !strings.Contains(body, `"code":4001`) {
			t.Errorf("the poll was answered %s", body)
		}
		if !p.gone() || len(p.sessions) != 0 {
			t.Error("the session continues")
		}
	})
}
