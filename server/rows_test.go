package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// rowsCall is the body of a call to WordPress.
type rowsCall struct {
	Rows, Left []struct {
		Room     string
		ClientID string `json:"client_id"`
		UserID   int64  `json:"user_id"`
		Where    struct{ Screen, Title string }
		Age      int64
	}
}

// String describes a call, as "admin/online user-2 dashboard; left postType/post:5 editor-2".
func (c rowsCall) String() string {
	var parts []string
	for _, r := range c.Rows {
		parts = append(parts, strings.TrimSpace(fmt.Sprint(r.Room, " ", r.ClientID, " ", r.Where.Screen, " ", r.Where.Title)))
	}
	for _, r := range c.Left {
		parts = append(parts, "left "+r.Room+" "+r.ClientID)
	}
	return strings.Join(parts, "; ")
}

// rowsSite is a WordPress with rows that have their own expiry.
type rowsSite struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string
	fails bool
}

func newRowsSite(t *testing.T) *rowsSite {
	w := &rowsSite{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fails {
			http.Error(out, "down", http.StatusServiceUnavailable)
			return
		}
		var call rowsCall
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || r.URL.Path != "/rows" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			t.Error(r.URL, r.Header, err)
		}
		w.calls = append(w.calls, call.String())
		_, _ = fmt.Fprintf(out, `{"rooms":[{"room":"admin/online","state":"%d"}],"expires_in":150}`, len(w.calls))
	}))
	t.Cleanup(w.Close)
	return w
}

// called waits until the last call is the wanted one.
func (w *rowsSite) called(t *testing.T, want string) {
	t.Helper()
	last := ""
	until(t, "the call "+want, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.calls) > 0 {
			last = w.calls[len(w.calls)-1]
		}
		return slices.Contains(w.calls, want)
	})
	if last != want {
		t.Errorf("the last call is %q; want %q", last, want)
	}
}

func (w *rowsSite) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// on returns a page of user 2 on a screen.
func (w *rowsSite) on(t *testing.T, n *node, screen string, change ...func(*ticket.Claims)) *page {
	t.Helper()
	return n.page(t, 2).withClaims(t, func(c *ticket.Claims) {
		c.Rows, c.Native, c.Screen, c.Ping = w.URL+"/rows", nil, screen, &ticket.Ping{Screen: screen}
		for _, f := range change {
			f(c)
		}
	})
}

// open opens a visible page.
func (p *page) visible(t *testing.T) *socket {
	t.Helper()
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":"idle=0"}`, p.ticket, p.conn))
	s.next("welcome")
	return s
}

// news waits for a push to the plugin's script that contains a text.
func (s *socket) news(text string) {
	s.t.Helper()
	for _, f := range s.seen {
		if f.Type == "push" && strings.Contains(string(f.Data), text) {
			return
		}
	}
	for {
		f := s.next("push")
		s.seen = append(s.seen, f)
		if strings.Contains(string(f.Data), text) {
			return
		}
	}
}

// TestRowsOfPages checks what WordPress is told of a user's pages: the rows at first, and then
// only when another page, or none, is shown.
func TestRowsOfPages(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	board := w.on(t, n, "dashboard").visible(t)
	w.called(t, "admin/online user-2 dashboard")
	board.news(`"holds":true`)
	board.news(`"rooms":["admin/online"]`)

	list := w.on(t, n, "edit-post", func(c *ticket.Claims) { c.Ping.Title = "Posts" }).visible(t)
	list.news(`"holds":true`)
	if c := w.count(); c != 1 {
		t.Errorf("after the load of a page: %d calls, want 1", c)
	}
	list.send(`{"type":"note","body":""}`) // hidden
	until(t, "a call", func() bool { return w.count() == 2 })
	w.called(t, "admin/online user-2 dashboard")
	list.send(`{"type":"note","body":"idle=0"}`) // shown again
	w.called(t, "admin/online user-2 edit-post Posts")
	if c := w.count(); c != 3 {
		t.Errorf("after a page was hidden and shown: %d calls, want 3", c)
	}
	list.send(`{"type":"note","body":"data%5Bpresence-ping%5D%5Bscreen%5D=x&has_focus=false&idle=0&hidden=1"}`)
	until(t, "the call for the other page", func() bool { return w.count() == 4 })
	_ = list.conn.CloseNow()
	until(t, "the end of the hidden page", func() bool { return n.sessions.count(demoSite) == 1 })
	_ = board.conn.CloseNow()
	w.called(t, "left admin/online user-2")
	if c := w.count(); c != 5 {
		t.Errorf("after both pages have closed: %d calls, want 5: a hidden page and then the last", c)
	}
}

// TestRowsOfEditors checks the rows of a page that edits a post.
func TestRowsOfEditors(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	s := w.on(t, n, "post", func(c *ticket.Claims) {
		c.Post, c.Rooms = &wordpress.Post{ID: 5, Type: "post"}, []string{"postType/post:5"}
		c.Ping.PostID = 5
	}).visible(t)
	w.called(t, "admin/online user-2 post; postType/post:5 editor-2 post")
	s.send(`{"type":"leave"}`)
	w.called(t, "left admin/online user-2; left postType/post:5 editor-2")
}

// TestRowsOfUnrecordedUser checks that a page has no rows if its user's presence is not recorded.
func TestRowsOfUnrecordedUser(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	board := w.on(t, n, "dashboard").visible(t)
	w.called(t, "admin/online user-2 dashboard")
	w.on(t, n, "edit-post", func(c *ticket.Claims) { c.Unrecorded = true }).visible(t)
	_ = board.conn.CloseNow()
	w.called(t, "left admin/online user-2")
}

// TestRowsAfterLogout checks that a row of which another log-in has a page is written again: with
// the log-out, that plugin removes all rows of the user.
func TestRowsAfterLogout(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	first := w.on(t, n, "dashboard").visible(t)
	w.called(t, "admin/online user-2 dashboard")
	w.on(t, n, "edit-post").visible(t)
	first.send(`{"type":"leave"}`)
	w.called(t, "admin/online user-2 edit-post")
}

// TestRowsAreNotHeldWithoutWordPress checks that pages are not told that their rows are held
// when the call fails, and that a page with an old ticket is reported.
func TestRowsAreNotHeldWithoutWordPress(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newRowsSite(t)
	w.fails = true
	s := w.on(t, n, "dashboard").visible(t)
	st := n.sites.get(demoSite)
	until(t, "a failed call", func() bool { return st.held.Failures() > 0 })
	if st.held.Told() {
		t.Error("pages are told that their rows are held")
	}
	for _, f := range s.seen {
		if strings.Contains(string(f.Data), "holds") {
			t.Errorf("got %s", f.Data)
		}
	}
}

// TestRowsWithoutPushes checks that rows are held also if the site has used up its pushes.
func TestRowsWithoutPushes(t *testing.T) {
	n := newNode(t)
	n.sites.configured[demoSite].now().SyncAnywhere = true
	n.broker.Budgets().Pushes.Add(demoSite, 1<<30)
	w := newRowsSite(t)
	w.on(t, n, "dashboard").visible(t)
	st := n.sites.get(demoSite)
	until(t, "the rows are held", st.held.Told)
	if failures := st.held.Failures(); failures > 0 {
		t.Errorf("%d calls have failed", failures)
	}
}

// TestReturnWithoutResuming checks that a page which was connected before, and whose session has
// ended, is told that rooms may have changed, and a new page is not.
func TestReturnWithoutResuming(t *testing.T) {
	n := newNode(t)
	for _, after := range []string{"", `"after":"0-0",`} {
		p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Rows = "https://example.org/rows" })
		s, _, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.send(strings.Replace(p.hello(), `"conn"`, after+`"conn"`, 1))
		s.next("welcome")
		s.beat(1, p.pinging("dashboard"))
		told := slices.ContainsFunc(s.seen, func(f frame) bool { return strings.Contains(string(f.Data), `"rooms":["admin/online"]`) })
		if told != (after != "") {
			t.Errorf("after %q: told %v", after, told)
		}
	}
}
