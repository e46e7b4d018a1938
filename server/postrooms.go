package server

import (
	"strconv"
	"strings"
)

// parsePostRoom reads a post's room, postType/TYPE:ID.
func parsePostRoom(room string) (Post, bool) {
	rest, is := strings.CutPrefix(room, "postType/")
	kind, number, found := strings.Cut(rest, ":")
	if !is || !found || kind == "" || number == "" || strings.Trim(number, "0123456789") != "" {
		return Post{}, false
	}
	id, err := strconv.ParseInt(number, 10, 64)
	return Post{ID: id, Type: kind}, err == nil
}

func (p Post) room() string { return "postType/" + p.Type + ":" + strconv.FormatInt(p.ID, 10) }

// pingEditor is a presence-editor-ping: somebody has a post open.
func pingEditor(c *Call) {
	if post, room, ok := c.enters("presence-editor-ping"); ok {
		data := newObject().text("action", "editing").text("screen", c.Screen)
		record(c, room, "editor-", c.about(post, data))
	}
}

// pingLock is a wp-refresh-post-lock: whoever has the lock is in the room,
// though PHP alone, or its repeated answer, says how the lock is.
func pingLock(c *Call) {
	if post, room, ok := c.enters("wp-refresh-post-lock"); ok {
		record(c, room, "lock-", c.about(post, newObject().text("action", "lock")))
	}
}

// enters reads the post that a handle names, if the caller may enter its room.
func (c *Call) enters(handle string) (post Post, room string, ok bool) {
	asked := c.Data.Array(handle)
	if asked == nil {
		return Post{}, "", false
	}
	id, err := strconv.ParseInt(asked.String("post_id"), 10, 64)
	if err != nil {
		return Post{}, "", false
	}
	for _, room := range c.User.Rooms {
		if post, ok := parsePostRoom(room); ok && post.ID == id {
			return post, room, true
		}
	}
	if own := c.User.Post; own != nil && own.ID == id && c.User.mayEnter(own.room()) {
		return *own, own.room(), true
	}
	return Post{}, "", false
}

// about adds what an entry in a post's room says of the post.
func (c *Call) about(post Post, data object) object {
	data = data.number("post_id", post.ID).text("post_type", post.Type)
	if own := c.User.Post; own != nil && own.ID == post.ID && own.Title != nil {
		data = data.text("title", cleanText(*own.Title))
	}
	return data
}
