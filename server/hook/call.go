package hook

import (
	"net/http"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Call is one request to admin-ajax.php: a beat, or any other that has an action.
type Call struct {
	User   *User // nil: logged out
	Action string
	Post   *wordpress.Array // the form, as $_POST
	Query  *wordpress.Array // the query, as $_GET

	Data     *wordpress.Array // the beat's handles
	Screen   string           // the sanitised screen_id
	Focus    bool             // the page has the focus
	Now      time.Time
	Response *wordpress.Array // becomes the tick
	Deposits []Deposit        // values for handles of the beat

	// Referer is what check_ajax_referer is told: the nonce's action, and 1,
	// 2 or 0 for how it was verified.
	Referer struct {
		Action string
		Result int
	}

	Nonces   NonceVerifier // verifies the caller's nonces
	Presence Presence      // the site's rooms

	hooks   *Hooks // whose hooks run
	replied bool   // later hooks no longer run
	reply   Reply
}

// Deposit is a value that a back end has deposited for a handle of the beat.
type Deposit struct {
	Handle string
	Value  wordpress.Encoded
}

// HasDeposit reports whether a handle of the beat has a deposited value.
func (c *Call) HasDeposit(handle string) bool {
	return slices.ContainsFunc(c.Deposits, func(d Deposit) bool { return d.Handle == handle })
}

// NonceVerifier verifies nonces that WordPress made for the caller.
type NonceVerifier interface {
	// VerifyNonce returns 1 in the first half of the nonce's life, 2 in the
	// second, and 0 when it has expired or is wrong.
	VerifyNonce(nonce, action string, now time.Time) int
}

// Presence is the presence of the caller's site.
type Presence interface {
	// Enter writes an entry of the caller into a room. No other user may have an entry
	// with the same client id in that room. data is a JSON object. The entry stays while
	// the page's beats enter the room again, and expires after that. Enter does nothing if
	// the user may not enter the room or data has more than MaxData bytes.
	Enter(room, clientID string, data []byte)
	// Room returns who is in a room, the newest first: at most 200 entries, and how
	// many there are. It fails only when the server is being stopped.
	Room(room string) (entries []presence.Entry, total int, err error)
	// Online returns the list of presence-online, from the room admin/online, with the
	// number of entries that it lists and the number that there are.
	Online() (list wordpress.Encoded, listed, total int, err error)
	// ActivePosts returns the posts that are being edited, for a beat that asks with
	// presence-active-posts-ping. It returns nil for any other beat.
	ActivePosts() []ActivePost
}

// MaxData is the most bytes that an entry's data may have, as in the Presence API.
const MaxData = presence.MaxData

// ActivePost is a post that is being edited.
type ActivePost struct {
	wordpress.Post                  // with its title, once an entry has named it
	Editors        []presence.Entry // one for each person, the newest first
}

// Reply is the answer to a request, before it is written.
type Reply struct {
	Status int
	Text   string // unless IsJSON
	JSON   any
	IsJSON bool
}

// CheckReferer verifies the nonce of a request for an action, as check_ajax_referer()
// does. The nonce is in the parameter field, _ajax_nonce or _wpnonce. CheckReferer runs
// the hook check_ajax_referer, and answers a bad nonce with -1 and 403.
func (c *Call) CheckReferer(action, field string) (ok bool) {
	nonce := ""
	for _, name := range []string{field, "_ajax_nonce", "_wpnonce"} {
		if c.Post.Has(name) || c.Query.Has(name) {
			nonce = c.Request(name)
			break
		}
	}
	c.Referer.Action, c.Referer.Result = action, c.Nonces.VerifyNonce(nonce, action, c.Now)
	c.hooks.Run("check_ajax_referer", c)
	if c.Referer.Result == 0 && !c.replied {
		c.Die(http.StatusForbidden, "-1")
	}
	return c.Referer.Result != 0
}

// Request returns a parameter as $_REQUEST has it: the form comes before the query.
func (c *Call) Request(name string) string {
	if c.Post.Has(name) {
		return c.Post.String(name)
	}
	return c.Query.String(name)
}

// Die answers with text, as wp_die() does in admin-ajax.php.
func (c *Call) Die(status int, text string) {
	c.reply, c.replied = Reply{Status: status, Text: text}, true
}

// SendJSON answers with v, as wp_send_json() does.
func (c *Call) SendJSON(v any) {
	c.reply, c.replied = Reply{Status: http.StatusOK, JSON: v, IsJSON: true}, true
}

// Reply returns the answer. ok is false while there is none.
func (c *Call) Reply() (r *Reply, ok bool) { return &c.reply, c.replied }
