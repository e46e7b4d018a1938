package lockrenewal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// page is an editor of a post, and records what it is sent.
type page struct {
	mu     sync.Mutex
	frames []string
}

func (p *page) Send(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, string(frame))
}

func (p *page) sent() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.frames, " ")
}

// claims are those of an editor's ticket.
func claims(user string, post int64, url string) *ticket.Claims {
	c := &ticket.Claims{SID: "session of " + user, Renewal: url, Post: &wordpress.Post{Type: "post", ID: post}}
	c.Subject = user
	return c
}

// asks returns the data of a beat that asks for a lock.
func asks(post int64, lock string) *wordpress.Array {
	form := url.Values{"data[wp-refresh-post-lock][post_id]": {fmt.Sprint(post)}, "data[wp-refresh-post-lock][lock]": {lock}}
	return wordpress.ParseForm([]byte(form.Encode())).Array("data")
}

// open lets a page beat, so that its site is called now.
func (s *State) open(p Page, c *ticket.Claims, data *wordpress.Array) {
	s.Beat(p, c, data, time.Now().Add(-firstCall))
	s.Beat(p, c, data, time.Now())
}

// site is a WordPress that renews the locks of user 1.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	calls [][]Lock
	fails bool
}

func newSite(t *testing.T) *site {
	w := &site{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		var call request
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			t.Error(r.Header, err)
		}
		w.calls = append(w.calls, call.Locks)
		if w.fails {
			http.Error(out, "down", http.StatusServiceUnavailable)
			return
		}
		var answers []string
		for _, l := range call.Locks {
			answers = append(answers, fmt.Sprintf(`{"renewed":%v,"room":"postType/post:%d","change":{"user":%d}}`, l.UserID == 1, l.PostID, l.UserID))
		}
		_, _ = fmt.Fprintf(out, `{"locks":[%s]}`, strings.Join(answers, ","))
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *site) called() [][]Lock {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// published are the messages that a node has published.
type published struct {
	mu    sync.Mutex
	list  []message.Message
	fails bool
}

func (p *published) all() []message.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list
}

// run renews the locks of a site until the test ends.
func run(t *testing.T, state *State) *published { return runWith(t, state, &published{}) }

func runWith(t *testing.T, state *State, p *published) *published {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		Run(Node{
			Access: sitecall.Access{
				Now:        func(string) time.Time { return time.Now() },
				Secret:     func(string) string { return "secret" },
				CheckURL:   func(string, string) error { return nil },
				Answered:   func(string, string) {},
				PublicOnly: func(string, string) bool { return false },
			},
			Logger: slog.New(slog.DiscardHandler),
			Sites:  func(yield func(string, *State) bool) { yield("blog", state) },
			Publish: func(_ context.Context, site string, m message.Message) error {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.list = append(p.list, m)
				if p.fails {
					return errors.New("no answer from NATS")
				}
				return nil
			},
		}, stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return p
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

// made returns whether calls were made, and none is being made.
func (s *State) made() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy && time.Until(s.next) > every/2
}

// TestRenewal checks that the locks of all editors are renewed with one call, that pages are told of
// those that were renewed, and that a page whose lock was not renewed beats and is not asked about
// again.
func TestRenewal(t *testing.T) {
	w, state := newSite(t), new(State)
	one, two := &page{}, &page{}
	state.open(one, claims("1", 5, w.URL), asks(5, "100:1:77"))
	state.open(two, claims("2", 6, w.URL), asks(6, "100:2:88"))
	told := run(t, state)
	until(t, "the page whose lock is not renewed beats", func() bool { return two.sent() == `{"type":"nudge","spread_ms":0}` })
	until(t, "the push about the renewed lock", func() bool { return len(told.all()) == 1 })
	until(t, "the calls to end", state.made)
	if m := told.all()[0]; m.Kind != message.Push || m.To.Room != "postType/post:5" || string(m.Data) != `{"heartbeatd":{"lock":{"user":1}}}` {
		t.Errorf("published %+v %s", m, m.Data)
	}
	calls := w.called()
	if len(calls) != 1 || len(calls[0]) != 2 {
		t.Fatalf("calls %+v", calls)
	}
	for _, want := range []Lock{{5, 1, "session of 1", "100:1:77"}, {6, 2, "session of 2", "100:2:88"}} {
		if !slices.Contains(calls[0], want) {
			t.Errorf("the call %+v lacks %+v", calls[0], want)
		}
	}
	if _, pages, _ := state.begin(time.Now().Add(every)); len(pages) != 0 {
		t.Errorf("%d pages that have not beaten for %s are asked about", len(pages), every)
	}
	if one.sent() != "" {
		t.Errorf("the page whose lock was renewed got %s", one.sent())
	}
}

// TestFailedPush checks that a page whose lock is not renewed beats although the push about a lock before it in the
// answer failed, and that the call counts as made.
func TestFailedPush(t *testing.T) {
	w, state := newSite(t), new(State)
	refused := &page{}
	state.open(&page{}, claims("1", 5, w.URL), asks(5, "100:1:77"))
	state.open(refused, claims("2", 6, w.URL), asks(6, "100:2:88"))
	runWith(t, state, &published{fails: true})
	until(t, "the page whose lock is not renewed beats", func() bool { return refused.sent() != "" })
	until(t, "the call to end", state.made)
	if state.failures != 0 {
		t.Errorf("%d failures", state.failures)
	}
}

// TestFailedCall checks that after a failed call pages are told nothing, and that the time until the
// next one doubles with each failure, up to a limit.
func TestFailedCall(t *testing.T) {
	w, state := newSite(t), new(State)
	w.fails = true
	p := &page{}
	state.open(p, claims("1", 5, w.URL), asks(5, "100:1:77"))
	told := run(t, state)
	until(t, "the call to fail", state.made)
	if len(w.called()) != 1 || len(told.all()) != 0 || p.sent() != "" {
		t.Errorf("%d calls, %d messages, sent %s", len(w.called()), len(told.all()), p.sent())
	}
	now := time.Now()
	state.begun = now
	for _, wait := range []time.Duration{4 * every, 8 * every, 8 * every} {
		if first := state.end(true); first {
			t.Error("only the first failure is logged")
		}
		if state.due(now.Add(wait-time.Second)) || !state.due(now.Add(wait)) {
			t.Errorf("the next call is not made after %s", wait)
		}
	}
	state.end(false)
	if state.due(now.Add(every-time.Second)) || !state.due(now.Add(every)) {
		t.Error("the next call is not made after the usual time")
	}
}

// TestManyLocks checks that a call has at most maxLocks locks.
func TestManyLocks(t *testing.T) {
	w, state := newSite(t), new(State)
	for post := range int64(maxLocks + 1) {
		state.open(&page{}, claims("1", post+1, w.URL), asks(post+1, "100:1:77"))
	}
	told := run(t, state)
	until(t, "all locks", func() bool { return len(told.all()) == maxLocks+1 })
	calls := w.called()
	if len(calls) != 2 || len(calls[0]) != maxLocks || len(calls[1]) != 1 {
		t.Errorf("%d calls, with %d locks first", len(calls), len(calls[0]))
	}
}

// TestPages checks which beats count.
func TestPages(t *testing.T) {
	now := time.Now()
	c := claims("1", 5, "https://example.org/")
	noURL, noPost := *c, *c
	noURL.Renewal, noPost.Post = "", nil
	for name, test := range map[string]struct {
		c    *ticket.Claims
		data *wordpress.Array
		want int
	}{
		"an editor":                  {c, asks(5, "100:1:77"), 1},
		"a ticket without the claim": {&noURL, asks(5, "100:1:77"), 0},
		"a page that edits no post":  {&noPost, asks(5, "100:1:77"), 0},
		"another post":               {c, asks(6, "100:1:77"), 0},
		"a lock that is too long":    {c, asks(5, strings.Repeat("1", maxLock+1)), 0},
		"a beat without the handle":  {c, wordpress.ParseForm([]byte("data[x]=1")).Array("data"), 0},
		"a beat without data":        {c, nil, 0},
	} {
		state := new(State)
		p := &page{}
		state.Beat(p, test.c, test.data, now)
		state.Beat(p, test.c, test.data, now.Add(firstCall))
		if _, pages, _ := state.begin(now.Add(firstCall)); len(pages) != test.want {
			t.Errorf("%s: %d pages, want %d", name, len(pages), test.want)
		}
	}
}

// TestTimes checks when calls are due: a while after the first beat, one at a time, not for pages that
// have closed, and only with the locks of pages that still beat.
func TestTimes(t *testing.T) {
	now, state, p := time.Now(), new(State), &page{}
	beat := func(at time.Duration) {
		state.Beat(p, claims("1", 5, "https://example.org/"), asks(5, "100:1:77"), now.Add(at))
	}
	beat(0)
	if state.due(now.Add(firstCall-firstSpread)) || !state.due(now.Add(firstCall)) {
		t.Error("the first call is too early or too late")
	}
	beat(firstCall)
	if _, _, begun := state.begin(now.Add(firstCall)); !begun || state.due(now.Add(time.Hour)) {
		t.Error("a second call at the same time")
	}
	if _, _, begun := state.begin(now.Add(time.Hour)); begun {
		t.Error("a second call at the same time")
	}
	state.end(false)
	next := firstCall + every
	beat(next - beatTime - time.Second)
	if _, pages, begun := state.begin(now.Add(next)); begun || len(pages) > 0 {
		t.Error("the lock of a page that does not beat is renewed")
	}
	beat(next)
	state.Forget(p)
	if state.due(now.Add(time.Hour)) {
		t.Error("the lock of a closed page is renewed")
	}
}

// TestPush checks that a push goes to the room of the post that was asked about.
func TestPush(t *testing.T) {
	for name, test := range map[string]struct {
		room, change string
		want         bool
	}{
		"the post":      {"postType/page:5", `{"user":1}`, true},
		"another post":  {"postType/page:6", `{"user":1}`, false},
		"no post":       {"admin/online", `{"user":1}`, false},
		"nothing":       {"postType/page:5", ``, false},
		"too much":      {"postType/page:5", `"` + strings.Repeat("a", maxChange) + `"`, false},
		"no valid JSON": {"postType/page:5", `{`, false},
	} {
		if _, ok := push(Lock{PostID: 5}, test.room, json.RawMessage(test.change)); ok != test.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
