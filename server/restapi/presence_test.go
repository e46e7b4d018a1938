package restapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// presenceAnswer is an answer of /presence.
type presenceAnswer struct {
	status  int
	header  http.Header
	text    string
	entries []presence.Entry
	entry   presence.Entry
	Code    string
	Deleted bool
	Room    string
	Removed int
}

// presence sends a request to /presence as the test site.
func (n *testNode) presence(t *testing.T, method, query, body string) (a presenceAnswer) {
	t.Helper()
	r, text := n.send(t, method, "/presence?"+query, body, key(t))
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

// enter writes the entry of a user.
func (n *testNode) enter(t *testing.T, room string, user int) {
	t.Helper()
	k := presence.Key{Site: testSite, Room: room, ClientID: fmt.Sprint("user-", user), Conn: "c"}
	e := presence.Entry{Room: k.Room, ClientID: k.ClientID, UserID: int64(user), Data: json.RawMessage("{}"), DateGMT: wordpress.Date(time.Now())}
	if err := n.broker.Put(k, presence.Stored{Entry: e}); err != nil {
		t.Fatal(err)
	}
}

func putBody(room, id string, user int, data string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]any{"room": room, "client_id": id, "user_id": user, "display_name": "Ada",
		"avatar_url": "https://example.org/a.png", "data": json.RawMessage(data)})
	return b.String()
}

// TestPutListDelete checks the answers to a PUT, a GET and a DELETE of one entry.
func TestPutListDelete(t *testing.T) {
	n := newTestNode(t)
	const query = "room=" + wordpress.AdminRoom + "&client_id=user-7"
	put := n.presence(t, "PUT", "", putBody(wordpress.AdminRoom, "user-7", 7, `{ "screen" : "a<b>&c" }`))
	if put.status != 200 || put.entry.DisplayName != "Ada" || string(put.entry.Data) != `{"screen":"a<b>&c"}` || put.entry.DateGMT == "" {
		t.Fatalf("PUT: %d %s", put.status, put.text)
	}
	if got := n.presence(t, "GET", "room="+wordpress.AdminRoom, ""); len(got.entries) != 1 || got.text != "["+strings.TrimSpace(put.text)+"]\n" {
		t.Errorf("GET: %s, PUT: %s", got.text, put.text)
	}
	for i, what := range []string{"an entry", "an entry that does not exist"} {
		if got := n.presence(t, "DELETE", query, ""); got.status != 200 || !got.Deleted || got.Room != wordpress.AdminRoom || got.Removed != 1-i {
			t.Errorf("DELETE of %s: %d %s", what, got.status, got.text)
		}
	}
	if got := n.presence(t, "GET", "", ""); got.text != "[]\n" || got.header.Get("X-WP-Total") != "0" || got.header.Get("X-WP-TotalPages") != "0" {
		t.Errorf("GET after the DELETE: %s %v", got.text, got.header)
	}
}

// TestListPresence checks the filters and the pages of a list.
func TestListPresence(t *testing.T) {
	n := newTestNode(t)
	for i := range 250 { // more than a snapshot has
		n.enter(t, "postType/post:42", 100+i)
	}
	n.enter(t, "postType/page:7", 1)
	n.enter(t, wordpress.AdminRoom, 1)
	for _, c := range []struct{ query, total, pages, first string }{
		{"room=postType/post:42&per_page=100&page=3", "250", "3", ""},
		{"prefix=postType/", "251", "3", "postType/page:7"},
		{"", "252", "3", wordpress.AdminRoom},
		{"user_id=1", "2", "1", wordpress.AdminRoom},
		{"user_id=1&prefix=postType/", "1", "1", "postType/page:7"},
		{"per_page=1000&page=2", "252", "1", ""},
		{"room=nowhere", "0", "0", ""},
	} {
		t.Run(c.query, func(t *testing.T) {
			a := n.presence(t, "GET", c.query, "")
			if a.status != 200 || a.header.Get("X-WP-Total") != c.total || a.header.Get("X-WP-TotalPages") != c.pages {
				t.Errorf("%d, %s in %s pages", a.status, a.header.Get("X-WP-Total"), a.header.Get("X-WP-TotalPages"))
			}
			if c.first != "" && (len(a.entries) == 0 || a.entries[0].Room != c.first) {
				t.Errorf("begins with %.200s", a.text)
			}
		})
	}
	if a := n.presence(t, "GET", "room=postType/post:42&page=3", ""); len(a.entries) != 50 {
		t.Errorf("the last page has %d", len(a.entries))
	}
}

// TestPresenceRefuses checks that invalid requests get a 4xx and write nothing.
func TestPresenceRefuses(t *testing.T) {
	n := newTestNode(t)
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
		{"no user", "PUT", "", `{"room":"r","client_id":"c"}`},
		{"a negative user", "PUT", "", putBody("r", "user-1", -1, "{}")},
		{"data is a list", "PUT", "", putBody("r", "user-1", 1, "[]")},
		{"data is null", "PUT", "", putBody("r", "user-1", 1, "null")},
		{"too much data", "PUT", "", putBody("r", "user-1", 1, `{"x":"`+strings.Repeat("x", hook.MaxData-7)+`"}`)},
		{"a bad date", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"date_gmt":"yesterday"}`},
		{"a bad conn", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"conn":"a.b"}`},
		{"a long name", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"display_name":"` + long + `"}`},
		{"a long avatar", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"avatar_url":"` + strings.Repeat("x", presence.MaxAvatar+1) + `"}`},
		{"an unknown field", "PUT", "", `{"room":"r","client_id":"c","user_id":1,"ttl":5}`},
		{"no JSON", "PUT", "", `room=r`},
		{"per_page 0", "GET", "per_page=0", ""},
		{"per_page 1001", "GET", "per_page=1001", ""},
		{"per_page many", "GET", "per_page=many", ""},
		{"page 0", "GET", "page=0", ""},
		{"page above int64", "GET", "page=99999999999999999999", ""},
		{"room and prefix", "GET", "room=a&prefix=b", ""},
		{"a long room to list", "GET", "room=" + url.QueryEscape(long), ""},
		{"a room of no UTF-8", "GET", "room=%ff", ""},
		{"a bad query", "GET", "room=%zz", ""},
		{"a user of no number", "GET", "user_id=me", ""},
		{"DELETE without a filter", "DELETE", "", ""},
		{"DELETE without a client id", "DELETE", "room=r", ""},
		{"DELETE without a client id, of a user", "DELETE", "room=r&user_id=1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := n.presence(t, c.method, c.query, c.body); a.status != 400 || a.Code != "bad_request" {
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	if a := n.presence(t, "PUT", "", putBody("r", "user-1", 1, `{"x":"`+strings.Repeat("x", maxRequest)+`"}`)); a.status != 413 {
		t.Errorf("a request that is too large: %d %s", a.status, a.text)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		for key, status := range map[string]int{"": 401, "wrong": 401, signKey(t, "wrong", time.Now(), ticket.KeyLife, ticket.ForAPI): 401} {
			r, _ := n.send(t, method, "/presence", "{}", key)
			if r.StatusCode != status {
				t.Errorf("%s with the key %.10q: %d", method, key, r.StatusCode)
			}
		}
		if a := n.presence(t, method, "site=another&room=r&client_id=c", `{"site":"another","room":"r"}`); a.status != 403 {
			t.Errorf("%s of another site: %d %s", method, a.status, a.text)
		}
	}
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 0 {
		t.Errorf("an invalid request wrote %s", a.text)
	}
}

// TestUnusualNames checks that rooms with similar names are kept apart.
func TestUnusualNames(t *testing.T) {
	n := newTestNode(t)
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
		t.Errorf("the largest entry: %d %s", a.status, a.text)
	}
}

// TestEntryHasOneUser checks that an entry belongs to one user, and that a user has a
// limited number of entries.
func TestEntryHasOneUser(t *testing.T) {
	n := newTestNode(t)
	put := func(id string, user int) presenceAnswer {
		return n.presence(t, "PUT", "", putBody("r", id, user, "{}"))
	}
	put("c", 1)
	if a := put("c", 2); a.status != 409 || a.Code != "conflict" {
		t.Errorf("another user's client id: %d %s", a.status, a.text)
	}
	if a := n.presence(t, "DELETE", "room=r&client_id=c&user_id=2", ""); a.status != 403 || a.Code != "forbidden" {
		t.Errorf("DELETE of another user's entry: %d %s", a.status, a.text)
	}
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 || a.entries[0].UserID != 1 {
		t.Errorf("entries after both: %s", a.text)
	}
	done := make(chan int)
	for i := range 2 * maxUserEntries { // concurrently
		go func() { done <- put(fmt.Sprint("c", i), 3).status }()
	}
	statuses := map[int]int{}
	for range 2 * maxUserEntries {
		statuses[<-done]++
	}
	if statuses[200] != maxUserEntries || statuses[429] != maxUserEntries {
		t.Errorf("statuses of %d entries of one user: %v", 2*maxUserEntries, statuses)
	}
	mine := n.presence(t, "GET", "user_id=3", "").entries
	if a := put(mine[0].ClientID, 3); a.status != 200 {
		t.Errorf("an existing entry at the limit: %d %s", a.status, a.text)
	}
	n.presence(t, "DELETE", "user_id=3", "")
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 1 || put("new", 3).status != 200 {
		t.Errorf("after all of the user were deleted: %s", a.text)
	}
}

// TestExpiresIn checks that an entry has the lifetime that a back end gives it.
func TestExpiresIn(t *testing.T) {
	n := newTestNode(t)
	body := func(in string) string {
		return `{"room":"r","client_id":"import-1","user_id":0,"expires_gmt":"2001-01-01 00:00:00"` + in + `}`
	}
	for _, in := range []string{"0", "-1", "3601", "1.5", `"60"`} {
		if got := n.presence(t, "PUT", "", body(`,"expires_in":`+in)); got.status != 400 || got.Code != "bad_request" {
			t.Errorf("expires_in %s: %d %s", in, got.status, got.text)
		}
	}
	if got := n.presence(t, "PUT", "", body("")); got.status != 200 || got.entry.ExpiresGMT != "" {
		t.Errorf("without expires_in: %d %s", got.status, got.text)
	}
	before := time.Now()
	put := n.presence(t, "PUT", "", body(`,"expires_in":3600`))
	after := time.Now()
	if put.status != 200 || put.entry.ExpiresGMT < wordpress.Date(before.Add(time.Hour)) || put.entry.ExpiresGMT > wordpress.Date(after.Add(time.Hour)) {
		t.Errorf("PUT: %d %s", put.status, put.text)
	}
	if got := n.presence(t, "GET", "room=r", ""); got.text != "["+strings.TrimSpace(put.text)+"]\n" {
		t.Errorf("GET: %s, PUT: %s", got.text, put.text)
	}
	if n.presence(t, "PUT", "", body(`,"expires_in":1`)).status != 200 {
		t.Error("it cannot be shortened")
	}
	deadline := time.Now().Add(20 * time.Second)
	for n.presence(t, "GET", "room=r", "").text != "[]\n" {
		if time.Now().After(deadline) {
			t.Fatal("it is still there")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestNoUser checks that entries without a user are bounded like those of a user, and do not
// count with them.
func TestNoUser(t *testing.T) {
	n := newTestNode(t)
	for i := range maxUserEntries {
		n.enter(t, "r", 1+i)
	}
	for i := range maxUserEntries {
		if got := n.presence(t, "PUT", "", putBody("r", fmt.Sprint("import-", i), 0, "{}")); got.status != 200 || got.entry.UserID != 0 {
			t.Fatalf("PUT %d: %d %s", i, got.status, got.text)
		}
	}
	if got := n.presence(t, "PUT", "", putBody("r", "import-50", 0, "{}")); got.status != 429 || got.Code != "too_many" {
		t.Errorf("one more: %d %s", got.status, got.text)
	}
	if got := n.presence(t, "PUT", "", putBody("r", "import-0", 7, "{}")); got.status != 409 {
		t.Errorf("the client id of an import: %d %s", got.status, got.text)
	}
	if got := n.presence(t, "DELETE", "room=r&client_id=import-0&user_id=7", ""); got.status != 403 {
		t.Errorf("DELETE by a user: %d %s", got.status, got.text)
	}
}
