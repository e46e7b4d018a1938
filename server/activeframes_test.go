package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const asksFrames = "data[" + pipeline.ActiveHandle + "]=" + asksForFrames

// editPost has a user edit a post, as the API writes it.
func (n *node) editPost(t *testing.T, id, user int) {
	t.Helper()
	body := putBody(fmt.Sprintf("postType/post:%d", id), fmt.Sprint("editor-", user), user, fmt.Sprintf(`{"title":"Post %d"}`, id))
	if a := n.presence(t, "PUT", "", body); a.status != 200 {
		t.Fatal(a.status, a.text)
	}
}

func (s *socket) note(p *page, fields ...string) {
	s.send(fmt.Sprintf(`{"type":"note","body":%q}`, p.form(fields...)))
}

// TestActivePostFrames sends the list to a page that asks for frames, at first and when it
// changes, whoever answers its beats. The page needs no beat for it.
func TestActivePostFrames(t *testing.T) {
	n := newNode(t)
	n.editPost(t, 42, 3)
	p := n.page(t, 2).retell(t, func(c *ticket.Claims) { c.Native = nil })
	other := n.page(t, 1)
	s, o := p.socket(t), other.socket(t)
	s.note(p, asksFrames)
	first := s.next("active-posts")
	asked := o.beat(1, other.form(asksPosts))
	if got, want := string(first.Posts), activeAnswer(t, asked); got != want || !strings.Contains(got, `"post_title":"Post 42"`) {
		t.Errorf("the frame has %s, a tick %s", got, want)
	}
	s.note(p, asksFrames) // changes nothing
	n.editPost(t, 7, 3)
	if f := s.next("active-posts"); !strings.Contains(string(f.Posts), "Post 42") || !strings.Contains(string(f.Posts), "Post 7") {
		t.Errorf("after a change: %s", f.Posts)
	}
	n.presence(t, "DELETE", "user_id=3", "")
	if f := s.next("active-posts"); string(f.Posts) != "[]" {
		t.Errorf("nobody edits: %s", f.Posts)
	}
	for _, f := range s.seen {
		if f.Type == "nudge" {
			t.Error("nudged")
		}
	}
	if f := o.next("nudge"); !f.Paced {
		t.Error("who asks with beats is not nudged")
	}

	// Who comes back may have missed something.
	back := p.socket(t)
	n.editPost(t, 9, 3)
	back.note(p, asksFrames)
	if f := back.next("active-posts"); !strings.Contains(string(f.Posts), "Post 9") {
		t.Errorf("after a reconnect: %s", f.Posts)
	}
}

// TestActivePostsOfATicket shows a page what its ticket says of single posts, asks PHP about
// others, and once more about a post whose room is revoked.
func TestActivePostsOfATicket(t *testing.T) {
	n := newNode(t)
	n.editPost(t, 42, 3)
	n.editPost(t, 43, 4)
	p := n.page(t, 2).retell(t, decided([]int64{42}, []int64{43}, false))
	s := p.socket(t)
	s.note(p, asksFrames)
	if f := s.next("active-posts"); !strings.Contains(string(f.Posts), "Post 42") || strings.Contains(string(f.Posts), "43") {
		t.Errorf("the page is shown %s", f.Posts)
	}
	n.editPost(t, 44, 5)
	if f := s.next("nudge"); !f.Paced {
		t.Error("the nudge is not paced")
	}
	if f := s.beat(1, p.form(asksFrames)); f.Type != "decline" {
		t.Errorf("a post that is not decided: %+v", f)
	}
	p.retell(t, decided([]int64{42, 44}, []int64{43}, false))
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket))
	if got := activeAnswer(t, s.beat(2, p.form(asksFrames))); !strings.Contains(got, "Post 42") || !strings.Contains(got, "Post 44") || strings.Contains(got, "43") {
		t.Errorf("the tick has %s", got)
	}

	if status, answer := n.call(t, "/revoke", `{"room":"postType/post:44"}`); status != 202 {
		t.Fatal(status, answer)
	}
	s.next("nudge")
	if f := s.beat(3, p.form(asksFrames)); f.Type != "decline" {
		t.Errorf("after the revocation: %+v", f)
	}
	n.presence(t, "DELETE", "user_id=5", "")
	if f := s.next("active-posts"); !strings.Contains(string(f.Posts), "Post 42") {
		t.Errorf("the decisions about other posts stay: %s", f.Posts)
	}
}

// TestActivePostsAreCut shows a page at most 50 posts, and of many those that it may see.
func TestActivePostsAreCut(t *testing.T) {
	n := newNode(t)
	var mayNot []int64
	for id := range 2 * room.MaxActivePosts {
		n.editPost(t, 100+id, 1000+id)
		if id%2 == 0 {
			mayNot = append(mayNot, int64(100+id))
		}
	}
	n.editPost(t, 7, 3)
	all := n.page(t, 2)
	if got := activeAnswer(t, all.socket(t).beat(1, all.form(asksPosts))); strings.Count(got, "post_id") != room.MaxActivePosts {
		t.Errorf("%d posts", strings.Count(got, "post_id"))
	}
	cut := n.page(t, 1).retell(t, decided([]int64{7}, mayNot, true))
	if got := activeAnswer(t, cut.socket(t).beat(1, cut.form(asksPosts))); strings.Count(got, "post_id") != 1 || !strings.Contains(got, "Post 7") {
		t.Errorf("of the ticket's: %s", got)
	}
}
