package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// polls are the Sessions of an echo. Its methods call the handlers without a network, for
// tests with a fake clock.
type polls struct {
	*Sessions
	e *echo
}

func newPolls() *polls {
	e := &echo{detached: make(chan *Outbox, 10)}
	return &polls{&Sessions{Server: e}, e}
}

func (p *polls) open() (id string) {
	w := httptest.NewRecorder()
	p.Open(w, httptest.NewRequest("POST", "/open", strings.NewReader(`{"type":"hello"}`)))
	_, rest, _ := strings.Cut(w.Body.String(), `"session":"`)
	id, _, _ = strings.Cut(rest, `"`)
	return id
}

func (p *polls) poll(ctx context.Context, id string, after int) (status int, body string) {
	return p.get(ctx, id, fmt.Sprint("after=", after))
}

func (p *polls) get(ctx context.Context, id, query string) (status int, body string) {
	r := httptest.NewRequestWithContext(ctx, "GET", "/poll?"+query, nil)
	r.Header.Set(SessionHeader, id)
	w := httptest.NewRecorder()
	(&LongPoll{p.Sessions}).ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return w.Code, string(b)
}

// gone reports whether the session was detached.
func (p *polls) gone() bool {
	synctest.Wait()
	return len(p.e.detached) > 0
}

func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		started := time.Now()
		if status, body := p.poll(t.Context(), id, 0); status != 200 || body != `{"seq":0,"frames":[]}` || time.Since(started) != PollWait {
			t.Errorf("without a frame: %d %s after %v", status, body, time.Since(started))
		}
		time.AfterFunc(3*time.Second, func() { p.e.out.Send([]byte(`{"type":"x"}`)) })
		started = time.Now()
		for range 2 { // the second poll repeats the first, as after a lost response
			if _, body := p.poll(t.Context(), id, 0); body != `{"seq":1,"frames":[{"type":"x"}]}` || time.Since(started) != 3*time.Second {
				t.Errorf("with a frame: %s after %v", body, time.Since(started))
			}
		}
		p.e.out.Bye(&Bye{Code: CodeDraining, Reason: "gone"})
		if _, body := p.poll(t.Context(), id, 1); body != `{"seq":2,"frames":[{"type":"bye","code":4001,"reason":"gone"}]}` {
			t.Errorf("with a bye: %s", body)
		}
		if status, _ := p.poll(t.Context(), id, 2); status != 410 || !p.gone() {
			t.Errorf("after the bye: %d", status)
		}
	})
}

// TestPollInterval answers polls with presence less often, and with everything else at once.
func TestPollInterval(t *testing.T) {
	minor := func(o *Outbox) { o.Offer([]byte(`"minor"`), true) }
	major := func(o *Outbox) { o.Offer([]byte(`"major"`), false) }
	send := func(o *Outbox) { o.Send([]byte(`"sent"`)) }
	for name, c := range map[string]struct {
		first  func(*Outbox)
		second func(*Outbox) // a second later
		want   time.Duration // when a poll is answered, from the answer before
		frames string
	}{
		"minor":           {minor, func(*Outbox) {}, minorInterval, `["minor"]`},
		"two minor":       {minor, minor, minorInterval, `["minor","minor"]`},
		"major":           {major, minor, majorInterval, `["major"]`},
		"minor and major": {minor, major, time.Second, `["minor","major"]`},
		"a tick, a push":  {send, minor, 0, `["sent"]`},
		"minor and sent":  {minor, send, time.Second, `["minor","sent"]`},
		"a bye":           {minor, func(o *Outbox) { o.Bye(errLeft) }, time.Second, `["minor",{"type":"bye","code":4007,"reason":"left"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPolls()
				id := p.open()
				started := time.Now()
				minor(p.e.out)
				p.poll(t.Context(), id, 0)
				if took := time.Since(started); took != 0 {
					t.Fatalf("the first poll took %v", took)
				}
				c.first(p.e.out)
				time.AfterFunc(time.Second, func() { c.second(p.e.out) })
				_, body := p.poll(t.Context(), id, 1)
				if took := time.Since(started); took != c.want || !strings.HasSuffix(body, `"frames":`+c.frames+`}`) {
					t.Errorf("after %v the poll was answered %s, want %s after %v", took, body, c.frames, c.want)
				}
				time.Sleep(2 * time.Second)
				p.Stop()
			})
		})
	}
}

// TestPollIntervalAfterAborted checks that frames for a poll that the client has ended do not make
// its next poll wait.
func TestPollIntervalAfterAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		p.e.out.Offer([]byte(`"minor"`), true)
		p.poll(t.Context(), id, 0)
		time.Sleep(minorInterval)
		ctx, abort := context.WithCancel(t.Context())
		abort()
		p.e.out.Offer([]byte(`"minor"`), true)
		p.poll(ctx, id, 1)
		started := time.Now()
		if _, body := p.poll(t.Context(), id, 1); !strings.Contains(body, "minor") || time.Since(started) != 0 {
			t.Errorf("after %v the poll was answered %s", time.Since(started), body)
		}
		p.Stop()
	})
}

// TestPollIntervalOfRefused checks that a frame that did not fit waits for minor frames no longer
// than if it had been added: the client has to acknowledge them first.
func TestPollIntervalOfRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		p.e.out.Offer([]byte(`"minor"`), true)
		p.poll(t.Context(), id, 0)
		started := time.Now()
		large := []byte(`"` + strings.Repeat("x", softLimit/2) + `"`)
		p.e.out.Offer(large, true)
		if p.e.out.Offer(large, false) {
			t.Fatal("the outbox accepted a frame above the limit")
		}
		p.poll(t.Context(), id, 1)
		if took := time.Since(started); took != majorInterval {
			t.Errorf("the poll was answered after %v, want %v", took, majorInterval)
		}
		p.Stop()
	})
}

// TestPollGaps checks when a session ends that its client does not poll: sooner if the
// client has cancelled its last poll.
func TestPollGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent, lost := newPolls(), newPolls()
		silent.open()
		id := lost.open()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		lost.poll(ctx, id, 0)
		for _, c := range []struct {
			after        time.Duration
			silent, lost bool
		}{{lostGap - 1, false, false}, {1, false, true}, {receiveGap - 5*time.Second - lostGap - 1, false, true}, {1, true, true}} {
			time.Sleep(c.after)
			if silent.gone() != c.silent || lost.gone() != c.lost {
				t.Errorf("after %v more: silent gone %v, lost gone %v", c.after, silent.gone(), lost.gone())
			}
		}
		if status, _ := lost.poll(t.Context(), id, 0); status != 410 {
			t.Errorf("a poll after that: %d", status)
		}
	})
}

// TestTwoPolls checks that the newer one of two polls gets the frames, and that the session
// continues while it waits, although the older one was cancelled.
func TestTwoPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan string, 1), make(chan string, 1)
		go func() {
			_, body := p.poll(ctx, id, 0)
			first <- body
		}()
		synctest.Wait()
		go func() {
			_, body := p.poll(t.Context(), id, 0)
			second <- body
		}()
		cancel()
		if body := <-first; body != `{"seq":0,"frames":[]}` {
			t.Errorf("the older poll: %s", body)
		}
		time.Sleep(receiveGap + time.Second)
		if p.gone() {
			t.Error("the session ended while the newer poll waited")
		}
		p.e.out.Send([]byte(`1`))
		synctest.Wait()
		select {
		case body := <-second:
			if body != `{"seq":1,"frames":[1]}` {
				t.Errorf("the newer poll: %s", body)
			}
		default:
			t.Error("the newer poll did not get the frame at once")
		}
		p.Stop()
	})
}

// TestRequestIDs checks that a response has the id of its request, and that invalid ids are
// refused.
func TestRequestIDs(t *testing.T) {
	p := newPolls()
	open := func(query string) string {
		w := httptest.NewRecorder()
		p.Open(w, httptest.NewRequest("POST", "/open?"+query, strings.NewReader(`{"type":"hello"}`)))
		return w.Body.String()
	}
	if body := open("id=281474976710655"); !strings.HasSuffix(body, `,"id":281474976710655,"poll_ms":25000}`) {
		t.Errorf("the welcome: %s", body)
	}
	if body := open(""); strings.Contains(body, `"id"`) {
		t.Errorf("the welcome of a request without an id: %s", body)
	}
	id := p.open()
	p.e.out.Send([]byte(`1`))
	if _, body := p.get(t.Context(), id, "after=0&id=7"); body != `{"id":7,"seq":1,"frames":[1]}` {
		t.Errorf("the poll: %s", body)
	}
	for _, bad := range []string{"id=", "id=0", "id=-1", "id=x", "id=18446744073709551616"} {
		t.Run(bad, func(t *testing.T) {
			if body := open(bad); !strings.Contains(body, `"code":4000,"reason":"id must be a number above 0"`) {
				t.Errorf("open: %s", body)
			}
			if status, body := p.get(t.Context(), id, "after=0&"+bad); status != 400 || !strings.Contains(body, "id must be") {
				t.Errorf("poll: %d %s", status, body)
			}
		})
	}
}

// TestLeaveEndsPoll checks that leave ends the waiting poll of the page at once.
func TestLeaveEndsPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		done := make(chan time.Duration, 1)
		started := time.Now()
		go func() {
			if _, body := p.poll(t.Context(), id, 0); body != `{"seq":1,"frames":[{"type":"bye","code":4007,"reason":"left"}]}` {
				t.Errorf("the poll was answered %s", body)
			}
			done <- time.Since(started)
		}()
		synctest.Wait()
		r := httptest.NewRequest("POST", "/beat", strings.NewReader(`{"type":"leave"}`))
		r.Header.Set(SessionHeader, id)
		w := httptest.NewRecorder()
		p.Beat(w, r)
		if took := <-done; w.Code != http.StatusNoContent || took != 0 || !p.gone() {
			t.Errorf("leave: %d, and the poll ended after %v", w.Code, took)
		}
	})
}

// TestForms sends a hello, a beat and a note as forms.
func TestForms(t *testing.T) {
	p := newPolls()
	var hello Hello
	o := &opener{echo: *p.e}
	o.open = func(*Outbox) (Session, Welcome, error) { return p.e, Welcome{}, nil }
	p.Server = &greeter{o, &hello}
	post := func(handler http.HandlerFunc, path, session, body string) (int, string) {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		r.Header.Set(SessionHeader, session)
		w := httptest.NewRecorder()
		handler(w, r)
		return w.Code, w.Body.String()
	}
	body := "ticket=a.b-c&conn=0123abcd&after=e-7&data%5Bn%5D=1&idle=0"
	status, welcome := post(p.Open, "/open?id=9", "", body)
	if want := (Hello{Ticket: "a.b-c", Conn: "0123abcd", After: "e-7", Body: "data%5Bn%5D=1&idle=0"}); status != 200 || hello != want || !strings.Contains(welcome, `"id":9`) {
		t.Errorf("open: %d %s, and the hello was %+v", status, welcome, hello)
	}
	for id := range p.sessions {
		if status, tick := post(p.Beat, "/beat?type=beat&id=8", id, "data%5Bn%5D=1"); status != 200 || tick != `{"type":"tick","id":8,"status":200,"body":"data%5Bn%5D=1"}` {
			t.Errorf("a beat: %d %s", status, tick)
		}
		if status, _ := post(p.Beat, "/beat?type=note&id=9", id, "idle=1"); status != 204 {
			t.Errorf("a note: %d", status)
		}
		if status, _ := post(p.Beat, "/beat?id=9", id, `{"type":"note","body":"idle=1"}`); status != 204 {
			t.Errorf("JSON with the content type of a form: %d", status)
		}
		if status, bye := post(p.Beat, "/beat?type=leave", id, ""); status != 400 || !strings.Contains(bye, "a form is a beat or a note") {
			t.Errorf("leave as a form: %d %s", status, bye)
		}
	}
	if status, bye := post(p.Open, "/open", "", "ticket=%zz"); status != 400 || !strings.Contains(bye, "not a form") {
		t.Errorf("an invalid form: %d %s", status, bye)
	}
}

// greeter is an opener that records the hello.
type greeter struct {
	*opener
	hello *Hello
}

func (g *greeter) Open(r *http.Request, hello Hello, out *Outbox) (Session, Welcome, error) {
	*g.hello = hello
	return g.opener.Open(r, hello, out)
}
