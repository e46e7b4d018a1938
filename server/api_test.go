package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// call calls the API with a key of the demo site.
func (n *node) call(t *testing.T, path, body string) (int, map[string]any) {
	t.Helper()
	return n.callWith(t, nodetest.SignKey(t, demoSite, n.demo.Secret(), time.Now(), time.Minute, "api"), path, body)
}

func (n *node) callWith(t *testing.T, key, path, body string) (int, map[string]any) {
	t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	r, text := nodetest.Send(t, method, n.admin+"/api/v1"+path, body, http.Header{"Authorization": {"Bearer " + key}})
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%s: %d %q", path, r.StatusCode, text)
	}
	return r.StatusCode, answer
}

// TestPush checks that each target of a push reaches its pages, and no others.
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
				t.Errorf("%s: %s received %s with cursor %s, want %s", to, name, f.Data, f.Cursor, answer["cursor"])
			}
		}
	}
	// Frames are in order: a push for another page would have come before the nudge.
	n.call(t, "/nudge", `{"to":{"all":true},"spread_ms":1500}`)
	for name, s := range everybody {
		if f := s.next("nudge"); f.Spread != 1500 {
			t.Errorf("%s was nudged within %d ms", name, f.Spread)
		}
		for _, f := range s.seen {
			if f.Type == "push" {
				t.Errorf("%s also received %s", name, f.Data)
			}
		}
	}
}

// TestPacedNudge says that a nudge is paced.
func TestPacedNudge(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 2).socket(t)
	if status, answer := n.call(t, "/nudge", `{"to":{"room":"postType/post:42"},"spread_ms":300,"paced":true}`); status != 202 {
		t.Fatal(status, answer)
	}
	if f := s.next("nudge"); !f.Paced || f.Spread != 300 {
		t.Errorf("nudged with %+v", f)
	}
}

// TestReplay checks that a page that reconnects receives the pushes that it missed, once and
// in order.
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
	push(3, `{"user":1}`) // for another user
	push(4, `{"can":"edit_posts"}`)
	last := push(5, `{"user":2}`)
	until(t, "the last push on the node", func() bool {
		n.replay.mu.Lock()
		defer n.replay.mu.Unlock()
		return n.replay.kept.Cursor.String() == last
	})
	epoch, _, _ := strings.Cut(last, "-")
	for _, c := range []struct{ after, want, cursor string }{
		{cursor, "[2 4 5]", cursor}, {last, "[]", last}, {"", "[]", last}, {"nonsense", "[]", last},
		{"gone-1", "[1 2 4 5]", epoch + "-0"}, // of a stream that NATS has lost
	} {
		back, _, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		back.send(strings.Replace(p.hello(), `"conn"`, `"after":"`+c.after+`","conn"`, 1))
		if f := back.next("welcome"); f.Cursor != c.cursor {
			t.Errorf("after %q: the welcome has the cursor %s, want %s", c.after, f.Cursor, c.cursor)
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
			t.Errorf("after %q: replayed %v, want %s", c.after, got, c.want)
		}
	}
}

// TestRevoke checks that a revocation ends the sessions of the user's tickets, and that the
// tickets are refused from then on.
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
		t.Errorf("after another log-in of the user was revoked: %+v", f)
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
	s = ed.socket(t) // a ticket that is issued later is valid, also within the same second
	n.call(t, "/revoke", fmt.Sprintf(`{"user":2,"until_ms":%d}`, time.Now().Add(-time.Minute).UnixMilli()))
	if f := s.beat(1, ed.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("after older tickets of the user were revoked: %+v", f)
	}
	n.callWith(t, nodetest.SignKey(t, demoSite, n.demo.Secret(), time.Now().Truncate(time.Second), time.Minute, "api"), "/revoke", `{"user":1}`)
	if _, code := other.ended(); code != 4003 {
		t.Errorf("after all log-ins of a user were revoked, by a key with whole seconds: %d", code)
	}
	if f := s.beat(2, ed.pinging("dashboard")); f.Type != "tick" { // the earlier revocation has arrived by now
		t.Errorf("after older tickets of the user were revoked: %+v", f)
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
		t.Errorf("the node's time differs by %v s", skew)
	}
}
