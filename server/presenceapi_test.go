package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// presenceAnswer is one of the presence API's.
type presenceAnswer struct {
	status  int
	header  http.Header
	text    string
	entries []broker.Entry
	entry   broker.Entry
	Code    string
	Deleted bool
	Room    string
}

// presence asks the API as the demo site.
func (n *node) presence(t *testing.T, method, query, body string) (a presenceAnswer) {
	t.Helper()
	key := siteKey(t, demoSite, n.demo.Secret(), time.Now(), time.Minute, "api")
	r, text := send(t, method, n.admin+"/api/v1/presence?"+query, body, http.Header{"Authorization": {"Bearer " + key}})
	a.status, a.header, a.text = r.StatusCode, r.Header, text
	var err error
	switch {
	case a.status != 200 || method == "DELETE":
		err = json.Unmarshal([]byte(text), &a)
	case method == "GET":
		err = json.Unmarshal([]byte(text), &a.entries)
	default:
		err = json.Unmarshal([]byte(text), &a.entry)
	}
	if err != nil {
		t.Fatalf("%s ?%s: %d %q", method, query, a.status, text)
	}
	return a
}

func putBody(room, id string, user int, data string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]any{"room": room, "client_id": id, "user_id": user, "display_name": "Ada",
		"avatar_url": "https://example.org/a.png", "data": json.RawMessage(data)})
	return b.String()
}

func TestPresenceIsPutListedAndDeleted(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 1).socket(t)
	s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil })
	put := n.presence(t, "PUT", "", putBody(wordpress.AdminRoom, "user-7", 7, `{ "screen" : "a<b>&c" }`))
	if put.status != 200 || put.entry.DisplayName != "Ada" || string(put.entry.Data) != `{"screen":"a<b>&c"}` || put.entry.DateGMT == "" {
		t.Fatalf("%d %s", put.status, put.text)
	}
	if f := s.presence(wordpress.AdminRoom, func(frame) bool { return true }); len(f.Joined) != 1 || f.Joined[0]["client_id"] != "user-7" {
		t.Errorf("a page hears %+v", f)
	}
	got := n.presence(t, "GET", "room="+wordpress.AdminRoom, "")
	if len(got.entries) != 1 || got.text != "["+strings.TrimSpace(put.text)+"]\n" {
		t.Errorf("put %s, listed %s", put.text, got.text)
	}
	del := n.presence(t, "DELETE", "room="+wordpress.AdminRoom+"&client_id=user-7", "")
	if del.status != 200 || !del.Deleted || del.Room != wordpress.AdminRoom {
		t.Errorf("%d %s", del.status, del.text)
	}
	if f := s.presence(wordpress.AdminRoom, func(frame) bool { return true }); len(f.Left) != 1 {
		t.Errorf("a page hears %+v", f)
	}
	if again := n.presence(t, "DELETE", "room="+wordpress.AdminRoom+"&client_id=user-7", ""); again.status != 200 || !again.Deleted {
		t.Errorf("deleting what is not there: %d %s", again.status, again.text)
	}
	if got := n.presence(t, "GET", "", ""); got.text != "[]\n" || got.header.Get("X-WP-Total") != "0" || got.header.Get("X-WP-TotalPages") != "0" {
		t.Errorf("%s %v", got.text, got.header)
	}
}

func TestPresenceIsPaged(t *testing.T) {
	n := newNode(t)
	for i := range 250 { // more than a browser's snapshot has
		n.enter("postType/post:42", 100+i, "post")
	}
	n.enter("postType/page:7", 1, "page")
	n.enter(wordpress.AdminRoom, 1, "dashboard")
	for _, c := range []struct{ query, total, pages, first string }{
		{"room=postType/post:42&per_page=100&page=3", "250", "3", ""},
		{"prefix=postType/", "251", "3", "postType/page:7"},
		{"", "252", "3", wordpress.AdminRoom},
		{"user_id=1", "2", "1", wordpress.AdminRoom},
		{"user_id=1&prefix=postType/", "1", "1", "postType/page:7"},
		{"per_page=1000&page=2", "252", "1", ""},
		{"room=nowhere", "0", "0", ""},
	} {
		a := n.presence(t, "GET", c.query, "")
		if a.status != 200 || a.header.Get("X-WP-Total") != c.total || a.header.Get("X-WP-TotalPages") != c.pages {
			t.Errorf("%s: %d, %s in %s pages", c.query, a.status, a.header.Get("X-WP-Total"), a.header.Get("X-WP-TotalPages"))
		}
		if c.first != "" && (len(a.entries) == 0 || a.entries[0].Room != c.first) {
			t.Errorf("%s: begins with %.200s", c.query, a.text)
		}
	}
	if a := n.presence(t, "GET", "room=postType/post:42&page=3", ""); len(a.entries) != 50 {
		t.Errorf("the last page has %d", len(a.entries))
	}
}

// TestPresenceRefuses answers each mistake with a clear 4xx, and changes nothing.
func TestPresenceRefuses(t *testing.T) {
	n := newNode(t)
	long := strings.Repeat("é", 192)
	for _, c := range []struct{ name, method, query, body string }{
		{"no room", "PUT", "", putBody("", "user-1", 1, "{}")},
		{"a long room", "PUT", "", putBody(long, "user-1", 1, "{}")},
		{"no client id", "PUT", "", putBody("r", "", 1, "{}")},
		{"a long client id", "PUT", "", putBody("r", long, 1, "{}")},
		{"a control character", "PUT", "", putBody("r\x07", "user-1", 1, "{}")},
		{"a line end", "PUT", "", putBody("r", "user-1\n", 1, "{}")},
		{"no UTF-8", "PUT", "", strings.Replace(putBody("r", "user-1", 1, "{}"), `"r"`, "\"r\xff\"", 1)},
		{"half a surrogate pair", "PUT", "", strings.Replace(putBody("r", "user-1", 1, "{}"), `"r"`, `"r\ud800"`, 1)},
		{"no user", "PUT", "", putBody("r", "user-1", 0, "{}")},
		{"data is a list", "PUT", "", putBody("r", "user-1", 1, "[]")},
		{"data is null", "PUT", "", putBody("r", "user-1", 1, "null")},
		{"too much data", "PUT", "", putBody("r", "user-1", 1, `{"x":"`+strings.Repeat("x", hook.MaxData-7)+`"}`)},
		{"a bad date", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"date_gmt":"yesterday"}`},
		{"a bad conn", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"conn":"a.b"}`},
		{"a long name", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"display_name":"` + long + `"}`},
		{"a long avatar", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"avatar_url":"` + strings.Repeat("x", maxAvatar+1) + `"}`},
		{"an unknown field", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"ttl":5}`},
		{"no JSON", "PUT", "", `room=r`},
		{"per_page 0", "GET", "per_page=0", ""},
		{"per_page 1001", "GET", "per_page=1001", ""},
		{"per_page many", "GET", "per_page=many", ""},
		{"page 0", "GET", "page=0", ""},
		{"page beyond counting", "GET", "page=99999999999999999999", ""},
		{"room and prefix", "GET", "room=a&prefix=b", ""},
		{"a long room to list", "GET", "room=" + url.QueryEscape(long), ""},
		{"a room of no UTF-8", "GET", "room=%ff", ""},
		{"a bad query", "GET", "room=%zz", ""},
		{"a user of no number", "GET", "user_id=me", ""},
		{"nobody to delete", "DELETE", "", ""},
		{"half an address", "DELETE", "room=r", ""},
		{"half an address and a user", "DELETE", "room=r&user_id=1", ""},
	} {
		if a := n.presence(t, c.method, c.query, c.body); a.status != 400 || a.Code != "bad_request" {
			t.Errorf("%s: %d %s", c.name, a.status, a.text)
		}
	}
	if a := n.presence(t, "PUT", "", putBody("r", "user-1", 1, `{"x":"`+strings.Repeat("x", maxRequest)+`"}`)); a.status != 413 {
		t.Errorf("a request without end: %d %s", a.status, a.text)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		for key, status := range map[string]int{"": 401, "wrong": 401, siteKey(t, demoSite, "wrong", time.Now(), time.Minute, "api"): 401} {
			r, _ := send(t, method, n.admin+"/api/v1/presence", "{}", http.Header{"Authorization": {"Bearer " + key}})
			if r.StatusCode != status {
				t.Errorf("%s with the key %.10q: %d", method, key, r.StatusCode)
			}
		}
		if a := n.presence(t, method, "site=another&room=r&client_id=c", `{"site":"another","room":"r"}`); a.status != 403 {
			t.Errorf("%s of another site: %d %s", method, a.status, a.text)
		}
	}
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("something was written: %s", a.text)
	}
}

// TestPresenceTakesWhatIsOdd keeps rooms apart that look alike.
func TestPresenceTakesWhatIsOdd(t *testing.T) {
	n := newNode(t)
	odd := []string{"..", ".", "a.b", "a/b", "*", ">", "a b", "🦊", strings.Repeat("🦊", maxName), "=2E", "postType/../x", "A", "a"}
	for _, room := range odd {
		if a := n.presence(t, "PUT", "", putBody(room, "🦊", 1, `{"of":"`+room+`"}`)); a.status != 200 || a.entry.Room != room {
			t.Errorf("%q: %d %s", room, a.status, a.text)
		}
	}
	for _, room := range odd {
		a := n.presence(t, "GET", "room="+url.QueryEscape(room), "")
		if len(a.entries) != 1 || a.entries[0].Room != room || a.entries[0].ClientID != "🦊" || string(a.entries[0].Data) != `{"of":"`+room+`"}` {
			t.Errorf("%q: %s", room, a.text)
		}
	}
	most := `{"x":"` + strings.Repeat("<", hook.MaxData-8) + `"}`
	if a := n.presence(t, "PUT", "", putBody(strings.Repeat("🦊", maxName), strings.Repeat("🦊", maxName), 1, most)); a.status != 200 {
		t.Errorf("as much as may be: %d %s", a.status, a.text)
	}
}

func TestPresenceHasOneOwner(t *testing.T) {
	n := newNode(t)
	put := func(id string, user int) presenceAnswer {
		return n.presence(t, "PUT", "", putBody("r", id, user, "{}"))
	}
	put("c", 1)
	if a := put("c", 2); a.status != 409 || a.Code != "conflict" {
		t.Errorf("another user's client id: %d %s", a.status, a.text)
	}
	if a := n.presence(t, "DELETE", "room=r&client_id=c&user_id=2", ""); a.status != 403 || a.Code != "forbidden" {
		t.Errorf("deleting another user's: %d %s", a.status, a.text)
	}
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 || a.entries[0].UserID != 1 {
		t.Errorf("then: %s", a.text)
	}
	done := make(chan int)
	for i := range 2 * maxUserEntries { // at once: none may slip through
		go func() { done <- put(fmt.Sprint("c", i), 3).status }()
	}
	taken := map[int]int{}
	for range 2 * maxUserEntries {
		taken[<-done]++
	}
	if taken[200] != maxUserEntries || taken[429] != maxUserEntries {
		t.Errorf("of %d entries of one user: %v", 2*maxUserEntries, taken)
	}
	mine := n.presence(t, "GET", "user_id=3", "").entries
	if a := put(mine[0].ClientID, 3); a.status != 200 {
		t.Errorf("one that is there already: %d %s", a.status, a.text)
	}
	n.presence(t, "DELETE", "user_id=3", "")
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 || put("new", 3).status != 200 {
		t.Errorf("after all of the user were deleted: %s", a.text)
	}
}

// TestDeletedPageComesBackWithItsPing takes away what a page's link holds.
func TestDeletedPageComesBackWithItsPing(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	n.presence(t, "DELETE", "user_id=2", "")
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("still there: %s", a.text)
	}
	s.beat(2, p.form()) // without a ping
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("it came back by itself: %s", a.text)
	}
	s.beat(3, p.pinging("dashboard"))
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 {
		t.Errorf("its ping does not bring it back: %s", a.text)
	}
}

// TestPutForAPage has PHP write for a page: what its link keeps, it keeps.
func TestPutForAPage(t *testing.T) {
	n := newNode(t, func(c *Config) { c.grace = time.Hour })
	p := n.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	put := func() {
		t.Helper()
		if a := n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	screen := func() string { return string(n.presence(t, "GET", "room=admin/online", "").entries[0].Data) }
	put()
	if got := screen(); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP took the entry of a page with a link: %s", got)
	}
	page := n.sessionOf(sessionKey{demoSite, 2, p.conn})
	_ = s.conn.CloseNow()
	until(t, "the link is gone", func() bool { return !page.connected() })
	put()
	if got := screen(); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP took the entry of a page that had just closed: %s", got)
	}
	page.mu.Lock()
	page.parted = page.parted.Add(-n.grace)
	page.mu.Unlock()
	put()
	if got := screen(); !strings.Contains(got, "php") {
		t.Errorf("PHP cannot write for a page without a link: %s", got)
	}
	page.end(nil) // its grace is over
	if got := n.presence(t, "GET", "", ""); len(got.entries) != 1 {
		t.Errorf("with the link's grace went what PHP wrote: %s", got.text)
	}
}

// TestPutForAPageElsewhere has PHP write at one node for a page that another has.
func TestPutForAPageElsewhere(t *testing.T) {
	here := newNodeOn(t, broker.Config{TTL: time.Minute, Listen: "127.0.0.1:0"})
	there := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + here.broker.ListenAddr()}, func(c *Config) { c.Demo = here.demo })
	p := there.page(t, 2)
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	screen := func(n *node) string {
		a := n.presence(t, "GET", "room=admin/online", "")
		if len(a.entries) == 0 {
			return ""
		}
		return string(a.entries[0].Data)
	}
	until(t, "the page on the other node", func() bool { return strings.Contains(screen(here), "dashboard") })
	if a := here.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`","data":{"screen":"php"}}`); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if got := screen(here); !strings.Contains(got, "dashboard") {
		t.Errorf("PHP took the entry of a page with a link to another node: %s", got)
	}
	s.send(`{"type":"leave"}`)
	for _, n := range []*node{there, here} {
		until(t, "the page is gone", func() bool { return screen(n) == "" })
		n.presence(t, "PUT", "", `{"room":"admin/online","client_id":"user-2","user_id":2,"conn":"`+p.conn+`"}`)
		if got := screen(n); got != "" {
			t.Errorf("what PHP wrote for a beat outlives its page: %s", got)
		}
	}
}
