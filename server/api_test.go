package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// siteKey is an API key as WordPress signs it.
func siteKey(t *testing.T, site, secret string, issued time.Time, life time.Duration, audience ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Audience: audience, IssuedAt: jwt.NewNumericDate(issued), ExpiresAt: jwt.NewNumericDate(issued.Add(life)),
	})
	token.Header["kid"] = site
	key, err := token.SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// call asks the API as the demo site.
func (n *node) call(t *testing.T, path, body string) (int, map[string]any) {
	t.Helper()
	return n.callWith(t, siteKey(t, demoSite, n.demo.Secret(), time.Now(), time.Minute, "api"), path, body)
}

func (n *node) callWith(t *testing.T, key, path, body string) (int, map[string]any) {
	t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	r, text := send(t, method, n.admin+"/api/v1"+path, body, http.Header{"Authorization": {"Bearer " + key}})
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%s: %d %q", path, r.StatusCode, text)
	}
	return r.StatusCode, answer
}

// TestPush reaches those it is for, and nobody else.
func TestPush(t *testing.T) {
	n := newNode(t)
	alice, ed, sue := n.page(t, 1).socket(t), n.page(t, 2).socket(t), n.page(t, 5).socket(t)
	everybody := map[string]*socket{"alice": alice, "ed": ed, "sue": sue}
	for to, who := range map[string]string{
		`{"user":2}`:                  "ed",
		`{"can":"manage_options"}`:    "alice",
		`{"can":"edit_posts"}`:        "alice ed",
		`{"room":"postType/post:42"}`: "alice ed",
		`{"all":true}`:                "alice ed sue",
	} {
		status, answer := n.call(t, "/push", `{"to":`+to+`,"data":{"for":"`+who+`"}}`)
		if status != 202 || answer["cursor"] == "" {
			t.Fatalf("%s: %d %v", to, status, answer)
		}
		for _, name := range strings.Fields(who) {
			f := everybody[name].next("push")
			if string(f.Data) != `{"for":"`+who+`"}` || f.Cursor != answer["cursor"] {
				t.Errorf("%s: %s got %s with cursor %s, want %s", to, name, f.Data, f.Cursor, answer["cursor"])
			}
		}
	}
	// Frames are in order: had somebody got one that was not theirs, it would
	// have come before this.
	n.call(t, "/nudge", `{"to":{"all":true},"spread_ms":1500}`)
	for name, s := range everybody {
		if f := s.next("nudge"); f.Spread != 1500 {
			t.Errorf("%s was nudged within %d ms", name, f.Spread)
		}
		for _, f := range s.seen {
			if f.Type == "push" {
				t.Errorf("%s also got %s", name, f.Data)
			}
		}
	}
}

// TestReplay brings a page that was away what it missed, once and in order.
func TestReplay(t *testing.T) {
	n := newNode(t)
	push := func(i int, to string) (cursor string) {
		_, answer := n.call(t, "/push", fmt.Sprintf(`{"to":%s,"data":%d}`, to, i))
		return answer["cursor"].(string)
	}
	p := n.page(t, 2)
	s := p.socket(t)
	cursor := push(1, `{"all":true}`)
	s.next("push")
	_ = s.conn.CloseNow()
	push(2, `{"room":"postType/post:42"}`)
	push(3, `{"user":1}`) // somebody else's
	push(4, `{"can":"edit_posts"}`)
	last := push(5, `{"user":2}`)
	until(t, "the node has heard it", func() bool {
		n.mailbox.mu.Lock()
		defer n.mailbox.mu.Unlock()
		return n.mailbox.cursor.String() == last
	})
	epoch, _, _ := strings.Cut(last, "-")
	for _, c := range []struct{ after, want, cursor string }{
		{cursor, "[2 4 5]", cursor}, {last, "[]", last}, {"", "[]", last}, {"nonsense", "[]", last},
		{"gone-1", "[1 2 4 5]", epoch + "-0"}, // of a stream that NATS has lost: this one is all new to the page
	} {
		back, _, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		back.send(strings.Replace(p.hello(), `"conn"`, `"after":"`+c.after+`","conn"`, 1))
		if f := back.next("welcome"); f.Cursor != c.cursor {
			t.Errorf("after %q the welcome says %s, want %s", c.after, f.Cursor, c.cursor)
		}
		back.send(`{"type":"beat","id":1,"body":"action=none"}`)
		back.next("decline")
		var got []string
		for _, f := range back.seen {
			if f.Type == "push" {
				got = append(got, string(f.Data))
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("after %q came %v, want %s", c.after, got, c.want)
		}
	}
}

// TestReplayBounds forgets the oldest pushes when they are too much.
func TestReplayBounds(t *testing.T) {
	m := &mailbox{}
	frame := make([]byte, 1<<20)
	for i := range 40 {
		m.keep(letter{cursor: broker.Cursor{Seq: uint64(i)}, frame: frame, at: time.Now()})
	}
	if m.bytes > replayBytes || len(m.kept) != replayBytes>>20 || m.kept[len(m.kept)-1].cursor.Seq != 39 {
		t.Errorf("%d pushes of %d bytes are kept", len(m.kept), m.bytes)
	}
	m.keep(letter{frame: frame, at: time.Now().Add(replayAge + time.Second)})
	if len(m.kept) != 1 {
		t.Errorf("%d pushes are kept, %d of them too old", len(m.kept), len(m.kept)-1)
	}
}

// TestRevoke ends what a ticket began, and refuses it from then on.
func TestRevoke(t *testing.T) {
	n := newNode(t)
	ed, alice := n.page(t, 2), n.page(t, 1)
	s, other := ed.socket(t), alice.socket(t)
	s.beat(1, ed.pinging("dashboard"))
	_, claims, err := n.verifyTicket(ed.ticket)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := n.call(t, "/revoke", `{"user":2,"sid":"`+strings.Repeat("0", 64)+`"}`); status != 202 {
		t.Fatalf("status %d", status)
	}
	if f := s.beat(2, ed.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("after another log-in of his was revoked: %+v", f)
	}
	n.call(t, "/revoke", `{"user":2,"sid":"`+claims.SID+`"}`)
	s.next("nudge")
	if bye, code := s.ended(); code != 4003 || !strings.Contains(bye.Reason, "revoked") {
		t.Errorf("ended with %d %q", code, bye.Reason)
	}
	if r := ed.post(t, ed.form()); r.StatusCode != 403 {
		t.Errorf("a post with the ticket: %d", r.StatusCode)
	}
	if got := n.online(t, wordpress.AdminRoom); len(got) != 0 {
		t.Errorf("online: %v", got)
	}
	if f := other.beat(1, alice.form()); f.Type != "tick" {
		t.Errorf("another user: %+v", f)
	}
	later, err := ticket.Sign(demoSite, n.demo.Secret(), *claims, time.Now().Add(2*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ed.ticket = later
	s = ed.socket(t) // a ticket issued after that is good, though in the same second
	n.call(t, "/revoke", fmt.Sprintf(`{"user":2,"until_ms":%d}`, time.Now().Add(-time.Minute).UnixMilli()))
	if f := s.beat(1, ed.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("after older tickets of his were revoked: %+v", f)
	}
	n.callWith(t, siteKey(t, demoSite, n.demo.Secret(), time.Now().Truncate(time.Second), time.Minute, "api"), "/revoke", `{"user":1}`)
	if _, code := other.ended(); code != 4003 {
		t.Errorf("all of a user's log-ins, by a key that counts in seconds: %d", code)
	}
	if f := s.beat(2, ed.pinging("dashboard")); f.Type != "tick" { // by now the one before was heard
		t.Errorf("after older tickets of his were revoked: %+v", f)
	}
}

// TestAPIUnknown answers paths and methods that the API does not have with an error
// of the API: without one the plugin takes the server for something else.
func TestAPIUnknown(t *testing.T) {
	n := newNode(t)
	for _, what := range []string{"POST /of-a-newer-plugin", "GET /of-a-newer-plugin", "POST /", "GET /push", "POST /status", "POST /presence"} {
		method, path, _ := strings.Cut(what, " ")
		r, text := send(t, method, n.admin+"/api/v1"+path, "{}", nil)
		var answer struct{ Code, Message string }
		err := json.Unmarshal([]byte(text), &answer)
		if err != nil || r.StatusCode != http.StatusNotFound || answer.Code != "not_found" || answer.Message == "" {
			t.Errorf("%s: %d %q", what, r.StatusCode, text)
		}
	}
}

// TestAPIRefuses has every kind of bad request, and nothing said for it.
func TestAPIRefuses(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Sites = []Site{{ID: "other", Secrets: []string{"other secret"}}}
		c.APIKey = "the operator's key"
	})
	now := time.Now()
	good := siteKey(t, demoSite, n.demo.Secret(), now, time.Minute, "api")
	push := `{"to":{"all":true},"data":1}`
	for what, c := range map[string]struct {
		key, path, body string
		status          int
	}{
		"as it should be":           {good, "/push", push, 202},
		"the operator":              {"the operator's key", "/push", `{"site":"other",` + push[1:], 202},
		"the operator, no site":     {"the operator's key", "/push", push, 400},
		"the operator, wrong site":  {"the operator's key", "/push", `{"site":"x",` + push[1:], 400},
		"another site":              {good, "/push", `{"site":"other",` + push[1:], 403},
		"another secret":            {siteKey(t, demoSite, "other secret", now, time.Minute, "api"), "/push", push, 401},
		"a key of an hour":          {siteKey(t, demoSite, n.demo.Secret(), now, time.Hour, "api"), "/push", push, 401},
		"an old key":                {siteKey(t, demoSite, n.demo.Secret(), now.Add(-time.Hour), time.Minute, "api"), "/push", push, 401},
		"a key for something else":  {siteKey(t, demoSite, n.demo.Secret(), now, time.Minute, "x"), "/push", push, 401},
		"a key for nothing":         {siteKey(t, demoSite, n.demo.Secret(), now, time.Minute), "/push", push, 401},
		"a ticket for a key":        {n.page(t, 1).ticket, "/push", push, 401},
		"half the operator's key":   {"the operator's", "/push", push, 401},
		"no JSON":                   {good, "/push", `x`, 400},
		"two values":                {good, "/push", push + push, 400},
		"an unknown field":          {good, "/push", `{"too":1,` + push[1:], 400},
		"no address":                {good, "/push", `{"data":1}`, 400},
		"two addresses":             {good, "/push", `{"to":{"all":true,"user":1},"data":1}`, 400},
		"a user below 0":            {good, "/push", `{"to":{"user":-1},"data":1}`, 400},
		"a long room":               {good, "/push", `{"to":{"room":"` + strings.Repeat("x", 192) + `"},"data":1}`, 400},
		"a room that is none":       {good, "/push", `{"to":{"room":"everyone"},"data":1}`, 400},
		"a nudge to such a room":    {good, "/nudge", `{"to":{"room":"user:7"}}`, 400},
		"a post's room, misspelt":   {good, "/push", `{"to":{"room":"postType/post42"},"data":1}`, 400},
		"a plugin's room":           {good, "/push", `{"to":{"room":"shop/orders"},"data":1}`, 202},
		"no data":                   {good, "/push", `{"to":{"all":true}}`, 400},
		"too much data":             {good, "/push", `{"to":{"all":true},"data":"` + strings.Repeat("x", maxPush) + `"}`, 413},
		"too large a request":       {good, "/push", `{"to":{"all":true},"data":"` + strings.Repeat("x", maxRequest) + `"}`, 413},
		"a nudge over two minutes":  {good, "/nudge", `{"to":{"all":true},"spread_ms":120000}`, 400},
		"a revocation of nobody":    {good, "/revoke", `{}`, 400},
		"a revocation of half a id": {good, "/revoke", `{"user":1,"sid":"abc"}`, 400},
		"a revocation to come":      {good, "/revoke", fmt.Sprintf(`{"user":1,"until_ms":%d}`, now.Add(time.Hour).UnixMilli()), 400},
		"a revocation before time":  {good, "/revoke", `{"user":1,"until_ms":-1}`, 400},
	} {
		status, answer := n.callWith(t, c.key, c.path, c.body)
		if status != c.status {
			t.Errorf("%s: %d %v, want %d", what, status, answer, c.status)
		}
		if status >= 400 && (answer["code"] == "" || answer["message"] == "") {
			t.Errorf("%s: answered %v", what, answer)
		}
	}
	if r, _ := send(t, "POST", n.admin+"/api/v1/push", push, nil); r.StatusCode != 401 {
		t.Errorf("without a key: %d", r.StatusCode)
	}
	if r, _ := send(t, "POST", n.url+"/api/v1/push", push, http.Header{"Authorization": {"Bearer " + good}}); r.StatusCode != 404 {
		t.Errorf("on the public listener: %d", r.StatusCode)
	}
}

func TestStatus(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	p.socket(t).beat(1, p.pinging("dashboard"))
	n.page(t, 5).socket(t)
	status, answer := n.call(t, "/status", "")
	if status != 200 || answer["site"] != demoSite || answer["ready"] != true || answer["sessions"] != 2.0 || answer["online"] != 1.0 {
		t.Errorf("%d %v", status, answer)
	}
	if skew := answer["time"].(float64) - float64(time.Now().Unix()); skew < -2 || skew > 2 {
		t.Errorf("its clock is %v s off", skew)
	}
}
