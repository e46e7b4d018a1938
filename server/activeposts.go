package server

import (
	"slices"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// asksForFrames is the value of pipeline.ActiveHandle with which a page asks for frames.
const asksForFrames = "frames"

// maxEarlier is how many earlier tickets of a page are kept for what they say about posts.
const maxEarlier = 10

// readActivePosts sets the active posts of a beat that asks for them. It returns false if PHP
// must answer the beat.
func (b *beat) readActivePosts() (ok bool) {
	if wordpress.Empty(b.Data.Get(pipeline.ActiveHandle)) || b.User == nil || !b.User.EditPosts {
		return true
	}
	b.posts, ok = b.activePosts()
	return ok
}

// ActivePosts implements hook.Presence.
func (b *beat) ActivePosts() []hook.ActivePost { return b.posts }

// activePosts returns the posts that are being edited and that the user may edit, which is
// not nil. It returns false if only PHP knows whether the user may edit one of them, or
// what its title is.
func (b *beat) activePosts() ([]hook.ActivePost, bool) {
	view, err := b.view()
	if err != nil {
		return nil, false
	}
	visible := []hook.ActivePost{}
	for _, p := range b.site.rooms.Active.Read(view, b.Now) {
		if len(visible) == room.MaxActivePosts {
			break
		}
		may, known := b.mayEdit(p.Post)
		if !known || may && (p.Title == nil || b.User.AdminURL == "") {
			return nil, false
		}
		if may {
			visible = append(visible, p)
		}
	}
	return visible, true
}

// mayEdit reports whether the user may edit a post, and whether that is known.
func (b *beat) mayEdit(p wordpress.Post) (may, known bool) {
	if b.claims == nil {
		may = slices.Contains(b.User.Types, p.Type)
		return may, may
	}
	return b.tickets.MayEdit(b.site.ID, b.claims, b.earlier, p)
}

// keepEarlier keeps the page's ticket for what it says about single posts, before a newer one
// takes its place: that one says it only of the posts that were being edited when it was issued.
// It is called with s.mu held.
func (s *session) keepEarlier(newer *ticket.Claims) {
	if s.claims == newer {
		return
	}
	named := append(slices.Clone(newer.Editable), newer.NotEditable...)
	kept := []*ticket.Claims{}
	for _, c := range append([]*ticket.Claims{s.claims}, s.earlier...) {
		posts := append(slices.Clone(c.Editable), c.NotEditable...)
		isNew := func(id int64) bool { return !slices.Contains(named, id) }
		if len(kept) < maxEarlier && slices.ContainsFunc(posts, isNew) && s.tickets.Now(s.site.ID).Before(c.ExpiresAt.Time) {
			kept = append(kept, c)
			named = append(named, posts...)
		}
	}
	s.earlier = slices.Clip(kept)
}

// subscribeActivePosts subscribes the page to changes of the active posts if its last beat
// asked for them, and unsubscribes it otherwise. answered says that the tick has them. It is
// called with s.mu held.
func (s *session) subscribeActivePosts(data *wordpress.Array, interval time.Duration, answered bool) {
	n := &s.site.rooms.Notifier
	if !s.user.EditPosts || wordpress.Empty(data.Get(pipeline.ActiveHandle)) {
		n.Unsubscribe(s)
		return
	}
	s.wantsFrames = data.String(pipeline.ActiveHandle) == asksForFrames
	if s.wantsFrames {
		interval = nudgeInterval // PHP does not answer frames
	}
	n.Subscribe(s, interval, s.wantsFrames && !answered)
}

// ShowActivePosts implements room.Viewer. A page gets the list if it asked for frames and its
// ticket says which of the posts its user may edit. It gets the nudge otherwise.
func (s *session) ShowActivePosts(nudge []byte, lists room.ActiveLists) bool {
	s.mu.Lock()
	frame := s.activePostsFrame(lists)
	s.mu.Unlock()
	if frame == nil {
		s.Send(nudge)
		return true
	}
	return s.offer(frame)
}

// activePostsFrame returns the frame of the list for the page, or nil. It is called with
// s.mu held.
func (s *session) activePostsFrame(lists room.ActiveLists) []byte {
	if !s.wantsFrames || s.ended {
		return nil
	}
	b := &beat{Call: hook.Call{User: s.user, Now: s.broker.Now()}, site: s.site, claims: s.claims, earlier: s.earlier, tickets: s.tickets}
	posts, ok := b.activePosts()
	if !ok {
		return nil
	}
	key := []byte(s.user.AdminURL)
	for _, p := range posts {
		key = strconv.AppendInt(append(key, ' '), p.ID, 10)
	}
	frame, found := lists[string(key)]
	if !found {
		frame = []byte(`{"type":"active-posts","posts":`)
		frame, _ = wordpress.AppendJSON(frame, pipeline.ActivePosts(posts, s.user.AdminURL, b.Now)) // strings and numbers cannot fail
		frame = append(frame, '}')
		lists[string(key)] = frame
	}
	return frame
}
