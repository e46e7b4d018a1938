package server

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// nativeHandles are the handles that heartbeatd can answer. The last two ask for
// nonces, and get no answer while the page's own is in the first half of its
// life, which is when beats are answered here.
var nativeHandles = []string{"presence-ping", "presence-editor-ping", activeHandle, "wp-refresh-post-nonces", "wp-refresh-metabox-loader-nonces"}

const (
	// postConn is the connection id of clients that POST and name none.
	postConn = "poll"
	// maxData is the most bytes an entry's data may have, as in the Presence API.
	maxData = 10240
	// maxText cuts a screen and a title, which pages make up themselves.
	maxText = 191
	// dateLayout is how WordPress writes a GMT date.
	dateLayout = "2006-01-02 15:04:05"
)

// addPresence hangs presence where WordPress and the Presence API have it.
func addPresence(h *Hooks) {
	h.Add("heartbeat_received", 10, ping)
	h.Add("heartbeat_received", 10, online)
	h.Add("heartbeat_received", 10, tellActivePosts)
	h.Add("heartbeat_send", 10, authCheck(true))
	h.Add("heartbeat_nopriv_send", 10, authCheck(false))
}

// authCheck tells the page whether somebody is logged in.
func authCheck(in bool) Hook {
	return func(c *Call) { c.Response.Set("wp-auth-check", in) }
}

// ping writes the entries that a beat's presence handles ask for.
func ping(c *Call) {
	if p := c.Data.Array("presence-ping"); p.Len() > 0 && c.User.EditPosts {
		record(c, adminRoom, "user-", pingData(c, p))
	}
	pingEditor(c)
	pingLock(c)
}

// pingData is what a presence-ping says about a page.
func pingData(c *Call, p *wordpress.Array) object {
	screen := cleanText(p.String("screen"))
	data := newObject().text("screen", screen).text("screen_label", c.screenLabel(screen))
	if title := cleanText(p.String("title")); title != "" {
		data = data.text("title", title)
	}
	if text := p.String("post_id"); text != "" { // most screens are of none
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
			data = data.number("post_id", id)
		}
	}
	return data
}

// record writes one entry of the caller.
func record(c *Call, roomName, prefix string, data object) {
	encoded := data.json()
	if len(encoded) > maxData {
		return // cleanText leaves nothing that could come here
	}
	e := broker.Entry{
		Room: roomName, ClientID: string(strconv.AppendInt([]byte(prefix), c.User.ID, 10)),
		UserID: c.User.ID, DisplayName: c.User.Name, AvatarURL: c.User.Avatar,
		Data: encoded, DateGMT: dateOf(c.Now),
	}
	switch {
	case c.page != nil:
		c.page.hold(c, e)
	case !c.linked: // a page with a link writes its own entry, by a note
		k := broker.Key{Site: c.site.ID, Room: e.Room, ClientID: e.ClientID, Conn: c.conn}
		if c.away != nil {
			c.away.yield(k)
		}
		s := broker.Stored{Entry: e}
		if c.Focus {
			s.FocusedAt = c.Now.UnixMilli()
		}
		_ = c.site.broker.Put(k, s) // it is in the log
	}
}

// thisSecond is the date that dateOf wrote last: many beat within a second.
var thisSecond atomic.Pointer[writtenDate]

type writtenDate struct {
	unix int64
	text string
}

// dateOf is a time as WordPress writes it.
func dateOf(t time.Time) string {
	last := thisSecond.Load()
	if last == nil || last.unix != t.Unix() {
		last = &writtenDate{t.Unix(), t.UTC().Format(dateLayout)}
		thisSecond.Store(last)
	}
	return last.text
}

// screenLabel is what people call a screen: what the ticket says, or the
// screen's id made readable.
func (c *Call) screenLabel(screen string) string {
	if label := c.User.screenLabel(screen); label != "" {
		return label
	}
	words := strings.FieldsFunc(screen, func(r rune) bool { return r == '-' || r == '_' })
	for i, w := range words {
		first, n := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(first)) + w[n:]
	}
	return strings.Join(words, " ")
}

// cleanText makes one line of plain text of what a page sent: no tags, no
// control characters, single spaces, at most maxText runes.
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

// isClean says of most texts that cleanText would leave them as they are.
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
