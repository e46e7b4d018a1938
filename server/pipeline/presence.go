package pipeline

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxText is the largest number of characters of a screen and a title. Longer ones are
	// cut.
	maxText = 191
	// frontScreen is the screen of the site's pages outside the admin. What its users see
	// is the page, so the page's title is its label.
	frontScreen = "front"
)

// enter writes the caller's entry in a room.
func enter(c *hook.Call, room, prefix string, data wordpress.Object) {
	c.Presence.Enter(room, string(strconv.AppendInt([]byte(prefix), c.User.ID, 10)), data.JSON())
}

// pingData returns the entry's data for a presence-ping.
func pingData(c *hook.Call, p *wordpress.Array) wordpress.Object {
	screen := cleanText(p.String("screen"))
	title := cleanText(p.String("title"))
	label := screenLabel(c.User, screen)
	if screen == frontScreen && title != "" {
		label = title
	}
	data := wordpress.NewObject().Text("screen", screen).Text("screen_label", label)
	if title != "" {
		data = data.Text("title", title)
	}
	if text := p.String("post_id"); text != "" { // most screens have none
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
			data = data.Number("post_id", id)
		}
	}
	return data
}

// screenLabel returns the name of a screen: the one in the ticket, or the screen's id as
// words.
func screenLabel(u *hook.User, screen string) string {
	if label := u.ScreenLabel(screen); label != "" {
		return label
	}
	words := strings.FieldsFunc(screen, func(r rune) bool { return r == '-' || r == '_' })
	for i, w := range words {
		first, n := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(first)) + w[n:]
	}
	return strings.Join(words, " ")
}

// cleanText returns what a page sent as one line of plain text: without tags and control
// characters, with single spaces, and with at most maxText characters.
func cleanText(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	tag := false
	for _, r := range strings.ToValidUTF8(s, "") {
		switch {
		case r == '<':
			tag = true
		case r == '>' && tag:
			tag = false
		case tag:
		case unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	text := []rune(strings.Join(strings.Fields(b.String()), " "))
	return string(text[:min(len(text), maxText)])
}

// isClean reports whether cleanText returns a text unchanged. It returns false for some
// others too.
func isClean(s string) bool {
	space := true // before the first character
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '<' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return len(s) <= maxText && (s == "" || !space)
}

// ActiveHandle is the handle with which a page asks which posts are being edited, and by whom.
const ActiveHandle = "presence-active-posts-ping"

// answerOnline answers a presence-ping with the entries of admin/online.
func answerOnline(c *hook.Call) {
	if c.Data.Array("presence-ping").Len() == 0 || !c.User.EditPosts || c.User.NoLocations {
		return
	}
	list, listed, total, err := c.Presence.Online()
	if err != nil {
		return // without a list: an empty one would mean that nobody is online
	}
	c.Response.Set("presence-online", list)
	if total > listed {
		c.Response.Set("presence-online-total", total)
	}
}

// answerActivePosts answers with the posts that are being edited.
func answerActivePosts(c *hook.Call) {
	posts := c.Presence.ActivePosts()
	if posts == nil {
		return
	}
	c.Response.Set("presence-active-posts", ActivePosts(posts, c.User.AdminURL, c.Now))
}

// ActivePosts returns a list of posts as presence-active-posts has it.
func ActivePosts(posts []hook.ActivePost, adminURL string, now time.Time) *wordpress.Array {
	list := wordpress.NewArray()
	for _, p := range posts {
		editors := wordpress.NewArray()
		for _, e := range p.Editors {
			editors.Append(activeEditor(e, now))
		}
		post := wordpress.NewArray()
		post.Set("post_id", p.ID)
		post.Set("post_title", *p.Title)
		post.Set("post_type", p.Type)
		post.Set("edit_url", adminURL+"post.php?post="+strconv.FormatInt(p.ID, 10)+"&action=edit")
		post.Set("editors", editors)
		list.Append(post)
	}
	return list
}

func activeEditor(e presence.Entry, now time.Time) *wordpress.Array {
	status := "active"
	if e.IsIdle(now) {
		status = "idle"
	}
	a := wordpress.NewArray()
	a.Set("user_id", e.UserID)
	a.Set("display_name", e.DisplayName)
	a.Set("avatar_url", e.AvatarURL)
	a.Set("status", status)
	return a
}
