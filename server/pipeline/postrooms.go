package pipeline

import (
	"strconv"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// pingEditor answers a presence-editor-ping: the user has a post open.
func pingEditor(c *hook.Call) {
	if post, room, ok := postOf(c, "presence-editor-ping"); ok {
		data := wordpress.NewObject().Text("action", "editing").Text("screen", c.Screen)
		enter(c, room, "editor-", describe(data, post, c.User))
	}
}

// pingLock handles a wp-refresh-post-lock: the user who has the lock enters the post's room.
// PHP answers the handle, or the drop-in repeats PHP's last answer.
func pingLock(c *hook.Call) {
	if post, room, ok := postOf(c, "wp-refresh-post-lock"); ok {
		enter(c, room, "lock-", describe(wordpress.NewObject().Text("action", "lock"), post, c.User))
	}
}

// postOf returns the post that a handle names, and its room, if the caller may enter it.
func postOf(c *hook.Call, handle string) (post wordpress.Post, room string, ok bool) {
	asked := c.Data.Array(handle)
	if asked == nil {
		return wordpress.Post{}, "", false
	}
	id, err := strconv.ParseInt(asked.String("post_id"), 10, 64)
	if err != nil {
		return wordpress.Post{}, "", false
	}
	for _, room := range c.User.Rooms {
		if post, ok := wordpress.ParsePostRoom(room); ok && post.ID == id {
			return post, room, true
		}
	}
	if own := c.User.Post; own != nil && own.ID == id && c.User.MayEnter(own.Room()) {
		return *own, own.Room(), true
	}
	return wordpress.Post{}, "", false
}

// describe adds a post to an entry's data, with its status and title if the user's page
// edits it.
func describe(data wordpress.Object, post wordpress.Post, u *hook.User) wordpress.Object {
	data = data.Number("post_id", post.ID).Text("post_type", post.Type)
	own := u.Post
	if own == nil || own.ID != post.ID {
		return data
	}
	if own.Status != "" {
		data = data.Text("post_status", cleanText(own.Status))
	}
	if own.Title != nil {
		data = data.Text("title", cleanText(*own.Title))
	}
	return data
}
