package server

import (
	"strconv"
	"strings"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
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
	if post, ok := c.enters("presence-editor-ping"); ok {
		data := wordpress.NewArray()
		data.Grow(5)
		data.Set("action", "editing")
		data.Set("screen", c.Screen)
		c.about(post, data)
		record(c, post.room(), "editor-", data)
	}
}

// pingLock is a wp-refresh-post-lock: whoever has the lock is in the room,
// though PHP alone, or its repeated answer, says how the lock is.
func pingLock(c *Call) {
	if post, ok := c.enters("wp-refresh-post-lock"); ok {
		data := wordpress.NewArray()
		data.Set("action", "lock")
		c.about(post, data)
		record(c, post.room(), "lock-", data)
	}
}

// enters reads the post that a handle names, if the caller may enter its room.
func (c *Call) enters(handle string) (Post, bool) {
	id, err := strconv.ParseInt(c.Data.Array(handle).String("post_id"), 10, 64)
	if err != nil {
		return Post{}, false
	}
	for _, room := range c.User.Rooms {
		if post, ok := parsePostRoom(room); ok && post.ID == id {
			return post, true
		}
	}
	if own := c.User.Post; own != nil && own.ID == id && c.User.mayEnter(own.room()) {
		return *own, true
	}
	return Post{}, false
}

// about adds what an entry in a post's room says of the post.
func (c *Call) about(post Post, data *wordpress.Array) {
	data.Set("post_id", post.ID)
	data.Set("post_type", post.Type)
	if own := c.User.Post; own != nil && own.ID == post.ID && own.Title != nil {
		data.Set("title", cleanText(*own.Title))
	}
}
