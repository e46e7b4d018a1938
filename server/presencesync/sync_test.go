package presencesync

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestURLOfNewestTicket checks that the newest ticket decides which URL is called, and
// that none is called without one.
func TestURLOfNewestTicket(t *testing.T) {
	var s State
	now := time.Now()
	for _, c := range []struct {
		url    string
		issued time.Time
		want   string
	}{
		{"a", now, "a"},
		{"old", now.Add(-time.Second), "a"},
		{"b", now, "b"},
		{"", now.Add(time.Second), ""},
		{"c", now, ""},
	} {
		s.SetURL(c.url, c.issued)
		url, due := s.begin(now, Interval)
		if url != c.want || due != (c.want != "") {
			t.Errorf("after %q: %q is called, want %q", c.url, url, c.want)
		}
		s.end(false, nil, Interval)
	}
}

// TestPausesAfterFailures checks the time between the calls of a site that fails.
func TestPausesAfterFailures(t *testing.T) {
	var y State
	y.SetURL("x", time.Now())
	failed := errors.New("down")
	for i, rest := range []time.Duration{20, 20, 40, 80, 160, 320, 600, 600} {
		rest *= time.Second
		if _, due := y.begin(y.next, Interval); !due {
			t.Fatalf("failure %d: the call is not due", i)
		}
		if _, due := y.begin(y.next, Interval); due {
			t.Fatal("two calls are due at a time")
		}
		y.end(true, failed, Interval)
		if wait := time.Until(y.next); wait > rest || wait < rest-time.Second {
			t.Errorf("after %d failures the next call is %v later, want %v", i+1, wait, rest)
		}
	}
	y.begin(y.next, Interval)
	if y.end(true, nil, Interval); time.Until(y.next) > Interval || y.failures != 0 {
		t.Error("after a success the pause stays")
	}
}

// TestNextCallOfAnotherURL checks that a new URL does not wait for the failures of the last one.
func TestNextCallOfAnotherURL(t *testing.T) {
	var s State
	now := time.Now()
	s.SetURL("https://old.example/", now)
	for range 9 {
		s.end(true, errors.New("down"), Interval)
	}
	if s.SetURL("https://old.example/", now); time.Until(s.next) < time.Minute {
		t.Error("the same URL ends the pause")
	}
	if s.SetURL("https://example.org/", now); time.Until(s.next) > retryWait {
		t.Errorf("the next call is %v later", time.Until(s.next))
	}
}

// TestInvalidAnswers checks that invalid answers are errors.
func TestInvalidAnswers(t *testing.T) {
	y := newSyncer(Node{Access: sitecall.Access{Secret: func(string) string { return "secret" }, Now: func(string) time.Time { return time.Now() }}}, time.Hour)
	defer y.client.CloseIdleConnections()
	for name, answer := range map[string]http.HandlerFunc{
		"401":                      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"WordPress answers with 3": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"entries":                  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("0")) },
		"more than":                func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxBody+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				answer(w, r)
			}))
			defer site.Close()
			if _, err := y.post(t.Context(), "blog", site.URL, []byte("{}")); err == nil || !strings.Contains(err.Error(), name) || calls != 1 {
				t.Errorf("%v, after %d calls", err, calls)
			}
		})
	}
}

// TestLimits checks the limits of a call, and of the entries that left.
func TestLimits(t *testing.T) {
	var entries []presence.Entry
	ours := make(map[entryKey]bool)
	add := func(data string) {
		e := presence.Entry{Room: "r", ClientID: fmt.Sprint(len(entries)), Data: json.RawMessage(data)}
		entries = append(entries, e)
		ours[entryKey{e.Room, e.ClientID}] = true
	}
	for range maxEntries + 10 {
		add("{}")
	}
	parse := func(body []byte) (r request) {
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	left := []departure{{Room: "r", ClientID: "gone"}}
	body, sent := encode(entries, ours, left, time.Now())
	if r := parse(body); len(r.Entries) != maxEntries || len(r.Left) != 1 || sent != 1 {
		t.Errorf("%d entries and %d that left, %d of them counted", len(r.Entries), len(r.Left), sent)
	}
	entries, ours = nil, map[entryKey]bool{}
	for range 200 {
		add(`{"x":"` + strings.Repeat("<", 2000) + `"}`)
	}
	body, _ = encode(entries, ours, left, time.Now())
	if r := parse(body); len(body) > maxBody || len(r.Entries) < 80 || len(r.Entries) == 200 {
		t.Errorf("%d entries in %d bytes", len(r.Entries), len(body))
	}
	y := State{url: "x"}
	for i := range maxEntries + 10 {
		y.Change(presence.Change{Kind: presence.Left, Entry: presence.Entry{ClientID: fmt.Sprint(i)}})
	}
	if len(y.left) != maxEntries {
		t.Errorf("%d entries that left are kept", len(y.left))
	}
	y.Change(presence.Change{Kind: presence.Joined, Entry: presence.Entry{ClientID: "0"}})
	if y.begin(time.Now(), Interval); len(y.left) != maxEntries-1 {
		t.Errorf("an entry that came back is still reported: %d", len(y.left))
	}
	if y.begin(time.Now().Add(4*Interval), Interval); len(y.left) != 0 {
		t.Errorf("entries that another node has reported are kept: %d", len(y.left))
	}
}

// TestOwnRowsOfPHP checks that rows which PHP wrote, and those with reserved client IDs, are
// not reported as left.
func TestOwnRowsOfPHP(t *testing.T) {
	y := State{url: "x"}
	left := func(clientID, conn string) {
		y.Change(presence.Change{Kind: presence.Left, Conn: conn, Entry: presence.Entry{Room: "r", ClientID: clientID}})
	}
	left("cli-1", conn)
	left("_lock", "page-0001")
	left("user-1", "page-0001")
	if list := y.departures(); len(list) != 1 || list[0].ClientID != "user-1" {
		t.Errorf("left: %+v", list)
	}
}

// TestClosedPages checks what is known of pages whose connection is lost.
func TestClosedPages(t *testing.T) {
	y := State{url: "x"}
	k := presence.Key{Room: "r", ClientID: "user-1", Conn: "page-0001"}
	other := presence.Key{Room: "r", ClientID: "user-1", Conn: "page-0002"}
	y.Closed(k, 7, time.Now().Add(-10*time.Second))
	y.Closed(other, 7, time.Now())
	if y.Opened(other); !y.isClosed(k) || y.isClosed(other) {
		t.Error("a page that is back is closed, or one that is closed is not")
	}
	y.Change(presence.Change{Kind: presence.Left, Conn: k.Conn, Entry: presence.Entry{Room: "r", ClientID: "user-1"}})
	if list := y.departures(); len(list) != 1 || list[0].Age != 10 {
		t.Errorf("left: %+v, want an age of 10 s", list)
	}
	if y.begin(time.Now().Add(4*Interval), Interval); len(y.closed) != 0 {
		t.Error("a page that is closed for good is kept")
	}
}

// TestDatesTellIdle checks that the dates in a call agree with what pages report.
func TestDatesTellIdle(t *testing.T) {
	now := time.Now()
	old, fresh := wordpress.Date(now.Add(-50*time.Second)), wordpress.Date(now.Add(-5*time.Second))
	idle := wordpress.Date(now.Add(-idleAge))
	for _, c := range []struct {
		idle       presence.Activity
		date, want string
	}{
		{presence.Active, old, wordpress.Date(now)}, {presence.Idle, fresh, idle}, {presence.Unreported, old, idle}, {presence.Unreported, fresh, fresh},
	} {
		e := presence.Entry{Room: "r", ClientID: "user-1", Data: json.RawMessage("{}"), DateGMT: c.date, Idle: c.idle}
		body, _ := encode([]presence.Entry{e}, map[entryKey]bool{{"r", "user-1"}: true}, nil, now)
		if !strings.Contains(string(body), `"date_gmt":"`+c.want+`"`) {
			t.Errorf("%+v: %s", c, body)
		}
	}
}

// TestRefusedUpdateOfARow checks that the entry of a row stays when its update is refused because
// the site has used up its budget, and that those of rows that are gone are removed.
func TestRefusedUpdateOfARow(t *testing.T) {
	b := nodetest.OpenBroker(t, broker.Config{TTL: time.Minute})
	view, err := b.Watch("blog", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	y, state := &syncer{Node: Node{Broker: b}}, new(State)
	take := func(rows ...presence.Entry) (stored string) {
		_, theirs := keys(view, state)
		y.takeOver("blog", view, state, rows, theirs)
		entries, _ := view.List(presence.Filter{}, 0, 10)
		for _, e := range entries {
			stored += e.ClientID + " " + string(e.Data) + " "
		}
		return stored
	}
	row := func(id int64, screen string) presence.Entry {
		return presence.Entry{
			Room: wordpress.AdminRoom, ClientID: fmt.Sprint("user-", id), UserID: id, Data: json.RawMessage(`{"screen":"` + screen + `"}`),
			DateGMT: wordpress.Date(time.Now()),
		}
	}
	if got := take(row(1, "x"), row(2, "x")); got != `user-1 {"screen":"x"} user-2 {"screen":"x"} ` && got != `user-2 {"screen":"x"} user-1 {"screen":"x"} ` {
		t.Fatal(got)
	}
	b.Budgets().EntryBytes.Add("blog", 1<<30)
	if got := take(row(1, "a longer name")); got != `user-1 {"screen":"x"} ` {
		t.Errorf("after an update was refused: %s", got)
	}
}

// TestRemovedRows checks for which pages leave is called after rows were removed.
func TestRemovedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		var mu sync.Mutex
		var list []string
		leave := func(clientID, conn string, user int64) {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, fmt.Sprint(clientID, " ", conn, " ", user))
		}
		left := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(list)
		}
		page := func(client, conn string) presence.Key {
			return presence.Key{Room: "a/b", ClientID: client, Conn: conn}
		}
		s.Removed("a/b", []string{"none"}, leave) // the site has no table
		s.SetURL("x", time.Now())
		s.Closed(page("c", "1"), 7, time.Now())
		s.Closed(page("c", "back"), 7, time.Now())
		s.Closed(page("other", "1"), 7, time.Now())
		s.Removed("a/b", []string{"c", "later", "open"}, leave)
		time.Sleep(closedWait / 2)
		s.Opened(page("c", "back"))
		s.Closed(page("later", "2"), 7, time.Now())
		if got := left(); got != nil {
			t.Errorf("%v before the wait is over", got)
		}
		time.Sleep(closedWait)
		if got, want := left(), []string{"c 1 7", "later 2 7"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// TestSlowClick checks that a user who opens another page of the admin does not leave while it loads,
// and that one who closes the page leaves before the grace period ends.
func TestSlowClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s State
		var left atomic.Int32
		k := presence.Key{Room: wordpress.AdminRoom, ClientID: "user-7", Conn: "1"}
		s.SetURL("x", time.Now())
		s.Closed(k, 7, time.Now())
		s.Removed(k.Room, []string{k.ClientID}, func(string, string, int64) { left.Add(1) })
		time.Sleep(3 * time.Second)
		if synctest.Wait(); left.Load() != 0 {
			t.Error("the user left while a page loads")
		}
		time.Sleep(2 * time.Second)
		if synctest.Wait(); left.Load() != 1 {
			t.Errorf("leave was called %d times", left.Load())
		}
	})
}
