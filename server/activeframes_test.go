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

// editPost writes the entry of a user who edits a post, through the API.
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

// TestActivePostFrames checks that a page that asks for frames gets the list at first and when
// it changes, without a beat, also if PHP answers its beats.
func TestActivePostFrames(t *testing.T) {
	n := newNode(t)
	n.editPost(t, 42, 3)
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Native = nil })
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
		t.Errorf("after the last editor left: %s", f.Posts)
	}
	for _, f := range s.seen {
		if f.Type == "nudge" {
			t.Error("a page that asks for frames is nudged")
		}
	}
	if f := o.next("nudge"); !f.Paced {
		t.Error("the nudge of a page that asks with beats is not paced")
	}

	// A page that reconnects may have missed a change.
	back := p.socket(t)
	n.editPost(t, 9, 3)
	back.note(p, asksFrames)
	if f := back.next("active-posts"); !strings.Contains(string(f.Posts), "Post 9") {
		t.Errorf("after a reconnect: %s", f.Posts)
	}
}

// TestActivePostsOfATicket checks that a page sees the posts that its ticket names as editable,
// and that PHP answers while there is another post, or one whose room is revoked.
func TestActivePostsOfATicket(t *testing.T) {
	n := newNode(t)
	n.editPost(t, 42, 3)
	n.editPost(t, 43, 4)
	p := n.page(t, 2).withClaims(t, decided([]int64{42}, []int64{43}, false))
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
		t.Errorf("with a post that the ticket does not name: %+v", f)
	}
	p.withClaims(t, decided([]int64{42, 44}, []int64{43}, false))
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
		t.Errorf("without the revoked post the list is %s", f.Posts)
	}
}

// TestActivePostsExceptOne checks that a page is not shown the post that its ticket excepts
// from the types of which its user may edit every post.
func TestActivePostsExceptOne(t *testing.T) {
	n := newNode(t)
	n.editPost(t, 42, 3)
	n.editPost(t, 43, 4)
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Types, c.Except = []string{"post"}, 43 })
	s := p.socket(t)
	if got := activeAnswer(t, s.beat(1, p.form(asksFrames))); !strings.Contains(got, "Post 42") || strings.Contains(got, "43") {
		t.Errorf("the tick has %s", got)
	}
}

// TestActivePostsAreCut checks that a page gets at most 50 posts, and only posts that its user
// may edit.
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
	cut := n.page(t, 1).withClaims(t, decided([]int64{7}, mayNot, true))
	if got := activeAnswer(t, cut.socket(t).beat(1, cut.form(asksPosts))); strings.Count(got, "post_id") != 1 || !strings.Contains(got, "Post 7") {
		t.Errorf("with a cut ticket: %s", got)
	}
}
