// Package ticket signs and verifies tickets: the statements by which WordPress says who
// a page's user is and what they may do.
//
// A ticket is a JWT. Its header names the site, whose secret signs it; its claims are
// [Claims]. A [Verifier] checks tickets, and knows which are revoked.
package ticket

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// nativeAge is the age of a ticket above which PHP answers the page's beats. The client
// posts from an age between 8 and 12 minutes on, so that after a restart not all pages
// post at once. The server's limit is the end of that span.
const nativeAge = 12 * time.Minute

// Claims are the claims of a ticket. Verified claims are shared and must not be changed.
type Claims struct {
	Name        string          `json:"name"`
	Avatar      string          `json:"avatar,omitempty"`
	SID         string          `json:"sid"`                    // hex sha256 of the session token
	Cookie      string          `json:"cookie,omitempty"`       // CookieID of the site's own log-in cookie; empty: no cookie is compared
	Unrecorded  bool            `json:"unrecorded,omitempty"`   // the user's presence is not recorded: the page enters no room
	NoLocations bool            `json:"no_locations,omitempty"` // the user may not see where others are: the page gets no presence of admin/online
	Can         []string        `json:"can,omitempty"`          // edit_posts, manage_options, and those of the filter heartbeatd_capabilities
	Rooms       []string        `json:"rooms,omitempty"`        // rooms that this page may enter and hear, besides admin/online
	Screen      string          `json:"screen,omitempty"`
	ScreenLabel string          `json:"screen_label,omitempty"`
	Post        *wordpress.Post `json:"post,omitempty"`         // the post that the page edits
	Types       []string        `json:"types,omitempty"`        // post types all of whose posts this user may edit
	Except      int64           `json:"except,omitempty"`       // a post of these types that this user may not edit
	Editable    []int64         `json:"editable,omitempty"`     // posts that were being edited, besides those of Types: this user may edit them
	NotEditable []int64         `json:"not_editable,omitempty"` // and may not edit these
	PostsCut    bool            `json:"posts_cut,omitempty"`    // posts were left out of these lists
	Admin       string          `json:"admin,omitempty"`        // the URL of wp-admin/, with Types or Editable
	Sync        string          `json:"sync,omitempty"`         // the URL that keeps the site's presence table up to date
	Rows        string          `json:"rows,omitempty"`         // the URL at which rows of the Presence API plugin are held for pages
	Ping        *Ping           `json:"ping,omitempty"`         // where the page is, for these rows; nil: only Screen and Post are known
	Renewal     string          `json:"renewal,omitempty"`      // the URL at which the lock of Post is renewed for the page
	Nonce       string          `json:"nonce"`                  // hex sha256 of the page's heartbeat nonce
	FreshUntil  int64           `json:"fresh_until"`            // Unix s: the end of the nonce's first half, or when PHP must see a beat because of a callback
	Cron        int64           `json:"cron,omitempty"`         // Unix s: when the next scheduled event is due, if requests run it
	Native      []string        `json:"native,omitzero"`        // handles that heartbeatd may answer; nil: PHP must see every beat
	Serials     []int64         `json:"serials,omitempty"`      // of the last revocations before the ticket: of the user, and of the site

	// Sets are the sets of handles that a beat may carry if heartbeatd answers it, because the
	// callbacks of plugins were observed to do nothing in beats with these: each set is sorted
	// and joined with commas. Nil: beats may carry any set.
	Sets    []string `json:"sets,omitzero"`
	Counted []string `json:"counted,omitempty"` // native handles that belong to a set; the repeated ones do, too

	// Deposits says that beats may be answered with deposited values: no callback of another
	// plugin would miss a handle.
	Deposits bool `json:"deposits,omitempty"`

	// RepeatUntil is the Unix time, in seconds, until which pages may repeat PHP's
	// answers. WordPress tells pages through the API to stop repeating an answer that has
	// changed: while it cannot reach the API, its tickets do not have this claim.
	RepeatUntil int64 `json:"repeat_until,omitempty"`

	// Callbacks names the callbacks of plugins because of which PHP has answered the beat for
	// which it issued the ticket.
	Callbacks []string `json:"callbacks,omitempty"`

	IssuedAt *Time `json:"iat"` // instead of the RegisteredClaims', which lacks milliseconds
	jwt.RegisteredClaims

	user *hook.User // of verified claims
}

// Ping says where a page is, as a beat of the Presence API plugin does.
type Ping struct {
	Screen   string `json:"screen"`
	Title    string `json:"title,omitempty"`
	PostID   int64  `json:"post_id,omitempty"`
	ObjectID int64  `json:"object_id,omitempty"`
}

// identityClaims are required in their types. The JWT library reads sub and exp.
var identityClaims = []string{"sid", "nonce", "iat"}

// GetIssuedAt implements jwt.Claims.
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt.numericDate(), nil }

// UnmarshalJSON reads claims as PHP writes them: see wordpress.UnmarshalMembers. A
// required claim of another type is an error, an optional one counts as absent.
func (c *Claims) UnmarshalJSON(b []byte) error {
	type plain Claims
	if json.Unmarshal(b, (*plain)(c)) == nil && !bytes.Contains(b, []byte("null")) {
		return nil // nearly all claims have the right types, and this is five times as fast
	}
	*c = Claims{}
	if err := json.Unmarshal(b, &c.RegisteredClaims); err != nil {
		return err
	}
	c.RegisteredClaims.IssuedAt = nil
	return wordpress.UnmarshalMembers(b, c, identityClaims...)
}

// UserID returns the id of the ticket's user.
func (c *Claims) UserID() (int64, error) {
	if c.user != nil {
		return c.user.ID, nil
	}
	id, err := strconv.ParseInt(c.Subject, 10, 64)
	if err == nil && id <= 0 {
		err = errors.New("not a user id")
	}
	return id, err
}

// hasSerials reports whether WordPress numbers the revocations before the ticket.
func (c *Claims) hasSerials() bool { return len(c.Serials) == 2 }

// serial returns the serial that a revocation of a subject is compared with.
func (c *Claims) serial(s subject) int64 {
	switch {
	case !c.hasSerials():
		return 0
	case s.user != 0:
		return c.Serials[0]
	}
	return c.Serials[1]
}

// isAhead reports whether the ticket was issued later than now. If it was not before, a clock has
// been set back.
func (c *Claims) isAhead(now time.Time) bool { return c.IssuedAt.Sub(now) > ClockSkew }

// User returns the user whom verified claims describe.
func (c *Claims) User() *hook.User {
	if c.user != nil {
		return c.user
	}
	id, _ := c.UserID() // was checked
	return &hook.User{
		ID: id, Name: c.Name, Avatar: c.Avatar,
		EditPosts:     slices.Contains(c.Can, "edit_posts"),
		Unrecorded:    c.Unrecorded,
		NoLocations:   c.NoLocations,
		ManageOptions: slices.Contains(c.Can, "manage_options"),
		Rooms:         c.Rooms,
		Types:         c.Types, AdminURL: c.Admin, Post: c.Post,
		ScreenLabels: []hook.ScreenLabel{{Screen: c.Screen, Label: c.ScreenLabel}},
	}
}

// repeatedHandles are the handles whose last answer the drop-in repeats. A beat over a
// link may carry them while the ticket allows it. heartbeatd does not answer them.
var repeatedHandles = []string{"wp-refresh-post-lock", "wp-check-locked-posts"}

// uncounted is what Sets must also have for a beat with a deposited value, which belongs to no
// set.
const uncounted = "*"

// The causes for which a ticket leaves a beat to PHP.
const (
	AllForPHP   = "ticket"     // WordPress wants to see every beat of the page
	Customizer  = "customizer" // a page of the Customizer
	OtherAction = "action"     // it is not a beat
	Stale       = "stale"      // PHP must renew the nonce or the ticket
	OtherNonce  = "nonce"      // the nonce is not the ticket's
	OtherHandle = "handle"     // PHP answers a handle of the beat
	OtherSet    = "set"        // a callback of a plugin may need this set of handles
)

// Declines are the causes for which a ticket leaves a beat to PHP.
var Declines = []string{AllForPHP, Customizer, OtherAction, Stale, OtherNonce, OtherHandle, OtherSet}

// WhyPHP returns why PHP must answer a beat, or an empty string if heartbeatd may: the ticket and
// the page's nonce are fresh, and each handle of the beat is native, both in the ticket
// and in hooks, or has a deposited value, and the ticket allows the set of the beat. linked
// says that the beat came over a link. now is the time by WordPress's clock.
func (c *Claims) WhyPHP(beat *hook.Call, hooks *hook.Hooks, linked bool, now time.Time) (cause string) {
	switch {
	case c.Native == nil:
		return AllForPHP
	case beat.Post.Has("wp_customize"):
		return Customizer
	case beat.Post.String("action") != "heartbeat":
		return OtherAction
	case now.Unix() >= c.FreshUntil || now.Sub(c.IssuedAt.Time) > nativeAge || c.isAhead(now):
		return Stale
	case !c.nonceMatches(beat.Post.String("_nonce")):
		return OtherNonce
	}
	repeats := linked && now.Unix() < c.RepeatUntil
	for handle := range beat.Data.All() {
		if repeats && slices.Contains(repeatedHandles, handle) {
			continue
		}
		if c.Deposits && beat.HasDeposit(handle) {
			continue
		}
		if !slices.Contains(c.Native, handle) || !hooks.IsNative(handle) {
			return OtherHandle
		}
	}
	if c.Sets != nil && !c.allowsSet(beat) {
		return OtherSet
	}
	return ""
}

// Repeats reports whether the page repeats PHP's last answer to a handle of the beat.
func Repeats(beat *hook.Call) bool {
	return slices.ContainsFunc(repeatedHandles, beat.Data.Has)
}

// allowsSet reports whether Sets has the set of a beat's handles.
func (c *Claims) allowsSet(beat *hook.Call) bool {
	var handles []string
	for handle := range beat.Data.All() {
		if slices.Contains(repeatedHandles, handle) || slices.Contains(c.Counted, handle) {
			handles = append(handles, handle)
		} else if beat.HasDeposit(handle) && !slices.Contains(c.Sets, uncounted) {
			return false
		}
	}
	slices.Sort(handles)
	return slices.Contains(c.Sets, strings.Join(handles, ","))
}

func (c *Claims) nonceMatches(nonce string) bool {
	var hash, want [2 * sha256.Size]byte
	sum := sha256.Sum256([]byte(nonce))
	hex.Encode(hash[:], sum[:])
	return copy(want[:], c.Nonce) == len(c.Nonce) && subtle.ConstantTimeCompare(hash[:], want[:]) == 1
}

// VerifyNonce implements hook.NonceVerifier for beats that WhyPHP has checked: their
// nonce is the ticket's.
func (c *Claims) VerifyNonce(string, string, time.Time) int { return 1 }

// CookieID returns the form in which a ticket names the site's log-in cookie: the first
// 16 hex characters of the SHA-256 of the cookie's name.
func CookieID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// CookieMatches reports whether the site's log-in cookie belongs to the log-in for which
// the ticket was made. It returns true if the request has no such cookie. A browser may
// send several cookies of that name, for different paths: one that matches is enough.
// Cookies of other sites on the same host are ignored.
func (c *Claims) CookieMatches(r *http.Request) bool {
	if c.Cookie == "" {
		return true
	}
	carried := false
	for _, cookie := range r.Cookies() {
		if CookieID(cookie.Name) != c.Cookie {
			continue
		}
		carried = true
		parsed, err := wordpress.ParseCookie(cookie.Value)
		if err != nil {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(wordpress.SessionHash(parsed.Token)), []byte(c.SID)) == 1 {
			return true
		}
	}
	return !carried
}
