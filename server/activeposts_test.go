package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/restapi"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// withClaims gives the page another ticket, with changed claims.
func (p *page) withClaims(t *testing.T, change func(*ticket.Claims)) *page {
	t.Helper()
	_, claims, err := p.node.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	c := *claims
	c.Types = slices.Clone(c.Types)
	change(&c)
	if p.ticket, err = ticket.Sign(demoSite, p.node.demo.Secret(), c, time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}

// editing gives the page a ticket of an editor with this post.
func (p *page) editing(t *testing.T, id int64, kind, title string) *page {
	return p.withClaims(t, func(c *ticket.Claims) { c.Post = &wordpress.Post{ID: id, Type: kind, Title: &title} })
}

func handle(name, field, value string) string {
	return fmt.Sprintf("data[%s][%s]=%s", name, field, value)
}

const asksPosts = "data[" + pipeline.ActiveHandle + "]=true"

// activeAnswer returns the JSON of a tick's presence-active-posts.
func activeAnswer(t *testing.T, f frame) string {
	t.Helper()
	var tick map[string]json.RawMessage
	if err := json.Unmarshal([]byte(f.Body), &tick); err != nil {
		t.Fatalf("%s: %q", f.Type, f.Body)
	}
	return string(tick["presence-active-posts"])
}

// TestEntriesInPostRooms checks the entries that the handles of editors and locks write, in
// beats and in notes.
func TestEntriesInPostRooms(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2).editing(t, 99, "page", "Café <b>now</b>") // the ticket names its type, not its room
	p = p.withClaims(t, repeat(time.Now(), time.Hour))
	s := p.socket(t)
	data := func(room, id string) string {
		t.Helper()
		a := n.presence(t, "GET", "room="+room, "")
		for _, e := range a.entries {
			if e.ClientID == id {
				return string(e.Data)
			}
		}
		return "no entry: " + a.text
	}
	s.beat(1, p.form(handle("presence-editor-ping", "post_id", "99"), handle("wp-refresh-post-lock", "post_id", "99"), "data[wp-refresh-post-lock][lock]=1:2"))
	if got, want := data("postType/page:99", "editor-2"), `{"action":"editing","screen":"dashboard","post_id":99,"post_type":"page","title":"Caf\u00e9 now"}`; got != want {
		t.Errorf("the entry of an editor has %s, want %s", got, want)
	}
	if got, want := data("postType/page:99", "lock-2"), `{"action":"lock","post_id":99,"post_type":"page","title":"Caf\u00e9 now"}`; got != want {
		t.Errorf("the entry of a lock has %s, want %s", got, want)
	}
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, p.form(handle("wp-refresh-post-lock", "post_id", "42"))))
	until(t, "the lock of the note is in the room", func() bool {
		return data("postType/post:42", "lock-2") == `{"action":"lock","post_id":42,"post_type":"post"}`
	})
	k := presence.Key{Site: demoSite, Room: "postType/page:99", ClientID: "lock-2", Conn: p.conn}
	page := n.sessions.find(sessionKey{demoSite, 2, p.conn})
	until(t, "an entry without a handle in the last beat is no longer renewed", func() bool {
		page.mu.Lock()
		defer page.mu.Unlock()
		i := page.entries.Find(k)
		return i >= 0 && !page.entries[i].Pinged
	})
	s.beat(2, p.form(handle("presence-editor-ping", "post_id", "77"))) // the ticket does not allow it
	if a := n.presence(t, "GET", "prefix=postType/", ""); strings.Contains(a.text, ":77") {
		t.Errorf("an entry in a room that the ticket does not allow: %s", a.text)
	}
	// A newer ticket has no types.
	p.withClaims(t, func(c *ticket.Claims) { c.Types = nil })
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket))
	until(t, "the entry is removed from a room that the ticket no longer allows", func() bool {
		return len(n.presence(t, "GET", "room=postType/page:99", "").entries) == 0
	})
}

// TestActivePosts checks the answer to presence-active-posts-ping, in the format of the
// Presence API.
func TestActivePosts(t *testing.T) {
	n := newNode(t)
	put := func(room, id string, user int, ago time.Duration, data string) {
		t.Helper()
		b := strings.TrimSuffix(putBody(room, id, user, data), "}\n") + `,"date_gmt":"` + time.Now().Add(-ago).UTC().Format(wordpress.DateLayout) + `"}`
		if a := n.presence(t, "PUT", "", b); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	put("postType/post:42", "editor-3", 3, 40*time.Second, `{"action":"editing","title":"Hello"}`)
	put("postType/post:42", "lock-3", 3, 45*time.Second, `{"action":"lock","title":"Hello"}`)
	put("postType/post:42", "editor-4", 4, 20*time.Second, `{"action":"editing"}`)
	put("postType/page:7", "editor-4", 4, 2*time.Second, `{"action":"editing","title":"About"}`)
	put("a/room", "user-4", 4, 0, `{}`)
	p := n.page(t, 2)
	s := p.socket(t)
	got := activeAnswer(t, s.beat(1, p.form(asksPosts)))
	person := func(id int, status string) string {
		return fmt.Sprintf(`{"user_id":%d,"display_name":"Ada","avatar_url":"https:\/\/example.org\/a.png","status":"%s"}`, id, status)
	}
	want := `[{"post_id":7,"post_title":"About","post_type":"page","edit_url":"\/wp-admin\/post.php?post=7&action=edit","editors":[` + person(4, "active") +
		`]},{"post_id":42,"post_title":"Hello","post_type":"post","edit_url":"\/wp-admin\/post.php?post=42&action=edit","editors":[` + person(4, "active") + "," + person(3, "idle") + `]}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := activeAnswer(t, s.beat(2, p.form())); got != "" {
		t.Errorf("a beat that does not ask is answered %s", got)
	}
	sue := n.page(t, 5)
	if got := sue.socket(t).beat(1, sue.form(asksPosts)); got.Type != "tick" || activeAnswer(t, got) != "" {
		t.Errorf("a subscriber gets an answer: %+v", got)
	}
	n.presence(t, "DELETE", "user_id=3", "")
	n.presence(t, "DELETE", "user_id=4", "")
	until(t, "the list is empty", func() bool { return activeAnswer(t, s.beat(3, p.form(asksPosts))) == "[]" })
}

// TestActivePostsForPHP checks that a beat goes to PHP if the ticket does not say enough about
// the posts that are being edited.
func TestActivePostsForPHP(t *testing.T) {
	n := newNode(t)
	for name, c := range map[string]struct {
		change func(*ticket.Claims)
		room   string
		data   string
		native bool
	}{
		"a type of the ticket":              {func(*ticket.Claims) {}, "postType/post:42", `{"title":"x"}`, true},
		"an empty title":                    {func(*ticket.Claims) {}, "postType/post:42", `{"title":""}`, true},
		"a type not in the ticket":          {func(c *ticket.Claims) { c.Types = []string{"page"} }, "postType/post:42", `{"title":"x"}`, false},
		"no types":                          {func(c *ticket.Claims) { c.Types, c.Admin = nil, "" }, "postType/post:42", `{"title":"x"}`, false},
		"no types, no posts":                {func(c *ticket.Claims) { c.Types, c.Admin = nil, "" }, "a/room", `{"title":"x"}`, true},
		"no URL of the admin":               {func(c *ticket.Claims) { c.Admin = "" }, "postType/post:42", `{"title":"x"}`, false},
		"a post without a title":            {func(*ticket.Claims) {}, "postType/post:42", `{}`, false},
		"a post that the user may edit":     {decided([]int64{7, 42}, nil, false), "postType/post:42", `{"title":"x"}`, true},
		"a post that the user may not edit": {decided(nil, []int64{42}, false), "postType/post:42", `{"title":"x"}`, true},
		"another post":                      {decided([]int64{7}, []int64{8}, false), "postType/post:42", `{"title":"x"}`, false},
		"a post that was left out":          {decided([]int64{7}, []int64{8}, true), "postType/post:42", `{"title":"x"}`, true},
		"a handle that is not native":       {func(c *ticket.Claims) { c.Native = []string{"presence-ping"} }, "a/room", `{}`, false},
	} {
		n.presence(t, "PUT", "", putBody(c.room, "editor-3", 3, c.data))
		p := n.page(t, 2).withClaims(t, c.change)
		s := p.socket(t)
		want := "decline"
		if c.native {
			want = "tick"
		}
		until(t, name+": "+want, func() bool { return s.beat(1, p.form(asksPosts)).Type == want })
		if r := p.post(t, p.form(asksPosts)); (r.StatusCode == 200) != c.native {
			t.Errorf("%s, posted: %d", name, r.StatusCode)
		}
		n.presence(t, "DELETE", "user_id=3", "")
	}
}

// TestActivePostsOfEarlierTickets checks that a newer ticket, which names only the posts that were
// being edited when it was issued, does not make heartbeatd forget the others.
func TestActivePostsOfEarlierTickets(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2).withClaims(t, decided([]int64{42}, []int64{43}, false))
	edit := func(room string) { n.presence(t, "PUT", "", putBody(room, "editor-3", 3, `{"title":"x"}`)) }
	edit("postType/post:42")
	edit("postType/post:43")
	edit("postType/page:7")
	s := p.socket(t)
	renew := func(change func(*ticket.Claims)) {
		p.withClaims(t, change)
		s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket))
	}
	shows := func(what string, want ...string) {
		t.Helper()
		until(t, what, func() bool {
			f := s.beat(1, p.form(asksPosts))
			if want == nil || f.Type == "decline" {
				return want == nil && f.Type == "decline"
			}
			got := activeAnswer(t, f)
			return strings.Count(got, "post_id") == len(want) && !slices.ContainsFunc(want, func(id string) bool { return !strings.Contains(got, `"post_id":`+id+",") })
		})
	}
	shows("a post that the ticket does not name goes to PHP")
	renew(decided([]int64{7}, nil, false))
	shows("the earlier ticket still counts", "42", "7")
	renew(decided(nil, []int64{42}, false))
	shows("the newest ticket that names the post counts", "7")
	n.call(t, "/revoke", `{"room":"postType/page:7"}`)
	shows("after the room was revoked the post goes to PHP")
}

// decided changes claims to name posts instead of post types.
func decided(may, mayNot []int64, cut bool) func(*ticket.Claims) {
	return func(c *ticket.Claims) { c.Types, c.Editable, c.NotEditable, c.PostsCut = nil, may, mayNot, cut }
}

// TestNudgedForActivePosts checks that changes nudge the pages that show active posts, and no
// other pages.
func TestNudgedForActivePosts(t *testing.T) {
	const nudgeDelay = 250 * time.Millisecond // as in package room
	n := newNode(t)
	asking, other := n.page(t, 2), n.page(t, 1)
	s, bystander := asking.socket(t), other.socket(t)
	s.beat(1, asking.form(asksPosts))
	bystander.beat(1, other.form())
	started := time.Now()
	for i := range 10 { // at once: one nudge
		n.presence(t, "PUT", "", putBody("postType/post:42", fmt.Sprint("editor-", 10+i), 10+i, `{"title":"x"}`))
	}
	if f := s.next("nudge"); f.Spread != 0 || !f.Paced {
		t.Errorf("the nudge is %+v", f)
	}
	if took := time.Since(started); took < nudgeDelay || took > nudgeDelay+3*time.Second {
		t.Errorf("nudged after %v", took)
	}
	if got := activeAnswer(t, s.beat(2, asking.form(asksPosts))); strings.Count(got, "user_id") != 10 {
		t.Errorf("the nudged page gets %s", got)
	}
	first := time.Now()
	n.presence(t, "DELETE", "user_id=10", "")
	s.next("nudge")
	if again := time.Since(first); again < nudgeInterval-nudgeDelay-50*time.Millisecond {
		t.Errorf("nudged again after %v", again)
	}
	n.enter(wordpress.AdminRoom, 77, "x") // not a post's room
	s.beat(3, asking.form())              // no longer asks
	n.presence(t, "DELETE", "user_id=11", "")
	n.call(t, "/nudge", `{"to":{"all":true},"spread_ms":77}`)
	for name, s := range map[string]*socket{"a page that no longer asks": s, "a page that never asked": bystander} {
		if f := s.next("nudge"); f.Spread != 77 || f.Paced {
			t.Errorf("%s was nudged", name)
		}
	}
}

// TestActivePostsOfANewView checks that a site that was not watched for a while does not show
// the list of its last view: a post's last editor has left meanwhile.
func TestActivePostsOfANewView(t *testing.T) {
	n := newNodeOn(t, broker.Config{TTL: 2 * watchLinger})
	st := n.sites.configured[demoSite]
	p := n.page(t, 1)
	asks := func() string {
		t.Helper()
		return activeAnswer(t, frame{Type: "tick", Body: text(p.post(t, p.form(asksPosts)))})
	}
	titled := presence.Stored{Entry: presence.Entry{UserID: 7, Data: json.RawMessage(`{"title":"x"}`), DateGMT: wordpress.Date(time.Now())}}
	k := entryKey(room42, 7)
	titled.Room, titled.ClientID = k.Room, k.ClientID
	if err := n.broker.Put(k, titled); err != nil {
		t.Fatal(err)
	}
	if got := asks(); !strings.Contains(got, `"post_id":42`) {
		t.Fatalf("while the post is edited: %s", got)
	}
	if got := text(p.post(t, p.pinging("dashboard"))); !strings.Contains(got, `"user_id":1`) {
		t.Fatalf("while user 1 is online: %s", got)
	}
	st.lastUsed.Store(0)
	st.closeIfIdle()
	if st.isWatched() {
		t.Fatal("the site is still watched")
	}
	for _, gone := range []presence.Key{k, {Site: demoSite, Room: wordpress.AdminRoom, ClientID: "user-1", Conn: restapi.PostConn}} {
		if err := n.broker.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	if got := asks(); got != "[]" {
		t.Errorf("after the editor left: %s", got)
	}
	other := n.page(t, 2)
	if got := text(other.post(t, other.pinging("dashboard"))); strings.Contains(got, `"user_id":1`) || !strings.Contains(got, `"user_id":2`) {
		t.Errorf("after user 1 left: %s", got)
	}
}
