package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxTicket is the most bytes a ticket may have: it travels in headers.
	maxTicket = 2048
	// TicketLife is how long a ticket is good for.
	TicketLife = time.Hour
	// nativeAge is how old a ticket may be for beats to be answered here. The
	// client stops between 4 and 6 minutes, so that a restart sends nobody's
	// beats to PHP all at once; the server draws the line at its end.
	nativeAge = 6 * time.Minute
	// clockSkew is how far WordPress's clock may be ahead.
	clockSkew = time.Minute
)

// Of a ticket and a revocation in the same second, the earlier must be known.
func init() { jwt.TimePrecision = time.Millisecond }

// Claims is what a ticket says: who this is and what they may do.
type Claims struct {
	Name        string   `json:"name"`
	Avatar      string   `json:"avatar,omitempty"`
	SID         string   `json:"sid"`              // hex sha256 of the session token
	Cookie      string   `json:"cookie,omitempty"` // CookieID of the site's own log-in cookie; empty: no cookie is compared
	Can         []string `json:"can,omitempty"`    // edit_posts, manage_options
	Rooms       []string `json:"rooms,omitempty"`  // post rooms this page may enter and hear
	Screen      string   `json:"screen,omitempty"`
	ScreenLabel string   `json:"screen_label,omitempty"`
	Post        *Post    `json:"post,omitempty"`
	Types       []string `json:"types,omitempty"` // post types all of whose posts this user may edit
	Admin       string   `json:"admin,omitempty"` // the URL of wp-admin/, with types
	Sync        string   `json:"sync,omitempty"`  // where the site's table of presence is kept up to date
	Nonce       string   `json:"nonce"`           // hex sha256 of the page's heartbeat nonce
	FreshUntil  int64    `json:"fresh_until"`     // Unix s: the end of the nonce's first half
	Cron        int64    `json:"cron,omitempty"`  // Unix s: when the next scheduled event is due, if requests run it
	Native      []string `json:"native,omitzero"` // handles heartbeatd may answer; nil: none, PHP sees every beat

	// RepeatUntil is until when, in Unix seconds, pages may repeat PHP's answers.
	// WordPress leaves it out when it does not reach the API, by which it ends that.
	RepeatUntil int64 `json:"repeat_until,omitempty"`
	jwt.RegisteredClaims

	who *User // whom they speak of, when they are verified; shared like the claims
}

// Post is the post a page edits.
type Post struct {
	ID    int64   `json:"id"`
	Type  string  `json:"type"`
	Title *string `json:"title,omitempty"` // nil: not said
}

// SignTicket signs claims for a site, from now for TicketLife.
func SignTicket(siteID, secret string, c Claims, now time.Time) (string, error) {
	c.IssuedAt = jwt.NewNumericDate(now)
	c.ExpiresAt = jwt.NewNumericDate(now.Add(TicketLife))
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = siteID
	signed, err := t.SignedString([]byte(secret))
	if err == nil && len(signed) > maxTicket {
		err = fmt.Errorf("the ticket has %d bytes, and %d is the most: leave rooms out", len(signed), maxTicket)
	}
	return signed, err
}

// admit checks the ticket that a request came with, and that the request may
// come with it: its origin and its log-in cookie. verify is verifyTicket or
// postedTicket.
func admit(r *http.Request, raw string, verify func(string) (*site, *Claims, error)) (*site, *Claims, error) {
	st, claims, err := verify(raw)
	switch {
	case err != nil:
		return nil, nil, err
	case !st.allows(r):
		return nil, nil, refuse(st.ID, wrongOrigin, transport.OriginRefused)
	case !claims.cookieMatches(r):
		return nil, nil, refuse(st.ID, wrongCookie, "the log-in cookie is of another session than the ticket")
	}
	return st, claims, nil
}

// verifyTicket returns the site and the claims of a ticket that is good now. The
// claims may be shared: nobody changes them.
func (s *Server) verifyTicket(raw string) (*site, *Claims, error) {
	id, claims, err := s.readTicket(raw)
	if err != nil {
		return nil, nil, err
	}
	return s.acceptTicket(id, claims)
}

var ticketParser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew))

// readTicket checks what of a ticket will not change: its signature and what it says.
func (s *Server) readTicket(raw string) (id string, claims *Claims, err error) {
	if raw == "" {
		return "", nil, refuse("", noTicket, "no ticket")
	}
	if len(raw) > maxTicket {
		return "", nil, refuse("", badTicket, "the ticket is longer than 2048 bytes")
	}
	claims = new(Claims)
	if _, err = ticketParser.ParseWithClaims(raw, claims, s.keysOf(&id)); err != nil {
		return "", nil, refuse(id, whyRefused(err), "the ticket is refused: "+err.Error())
	}
	if _, err := claims.userID(); err != nil || claims.IssuedAt == nil {
		return "", nil, refuse(id, badTicket, "the ticket names no user or no time of issue")
	}
	for _, list := range []*[]string{&claims.Native, &claims.Can, &claims.Types} {
		*list = s.lists.share(*list)
	}
	claims.who = claims.user()
	return id, claims, nil
}

// acceptTicket checks what of a ticket may change from one moment to the next.
func (s *Server) acceptTicket(id string, claims *Claims) (*site, *Claims, error) {
	if !time.Now().Before(claims.ExpiresAt.Time) { // the leeway is for clocks that are ahead only
		return nil, nil, refuse(id, ticketOver, "the ticket is over")
	}
	if s.revoked.covers(id, claims) {
		return nil, nil, refuseRevoked(id)
	}
	st := s.site(id)
	if st == nil {
		return nil, nil, refuse(id, limitReached, "this node has no place for one more site of a network")
	}
	return st, s.revoked.strip(id, claims), nil
}

// keysOf finds the secrets of the site that a JWT says it is of, and its id.
func (s *Server) keysOf(id *string) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		*id, _ = t.Header["kid"].(string)
		first := s.main(*id)
		if first == nil {
			return nil, errNoSuchSite
		}
		return first.keys, nil
	}
}

func ticketError(reason string) *transport.Bye {
	return &transport.Bye{Code: transport.CodeTicket, Reason: reason}
}

func (c *Claims) userID() (int64, error) {
	if c.who != nil {
		return c.who.ID, nil
	}
	id, err := strconv.ParseInt(c.Subject, 10, 64)
	if err == nil && id <= 0 {
		err = errors.New("not a user id")
	}
	return id, err
}

// user is the person a ticket speaks of.
func (c *Claims) user() *User {
	if c.who != nil {
		return c.who
	}
	id, _ := c.userID() // readTicket saw to it
	return &User{
		ID: id, Name: c.Name, Avatar: c.Avatar,
		EditPosts:     slices.Contains(c.Can, "edit_posts"),
		ManageOptions: slices.Contains(c.Can, "manage_options"),
		Rooms:         c.Rooms,
		Types:         c.Types, AdminURL: c.Admin, Post: c.Post,
		ScreenLabels: []ScreenLabel{{c.Screen, c.ScreenLabel}},
	}
}

// repeatedHandles are those whose answer the drop-in repeats from PHP's last: over
// a link they may come along while the ticket allows it, and are not answered here.
var repeatedHandles = []string{"wp-refresh-post-lock", "wp-check-locked-posts"}

// native says whether heartbeatd may answer a beat instead of PHP. A page with
// a link may repeat PHP's answers.
func (c *Claims) native(form *wordpress.Array, now time.Time, link bool) bool {
	if c.Native == nil || form.Has("wp_customize") || form.String("action") != "heartbeat" {
		return false
	}
	if now.Unix() >= c.FreshUntil || now.Sub(c.IssuedAt.Time) > nativeAge {
		return false
	}
	var said, hash [2 * sha256.Size]byte
	sum := sha256.Sum256([]byte(form.String("_nonce")))
	hex.Encode(said[:], sum[:])
	if copy(hash[:], c.Nonce) != len(c.Nonce) || subtle.ConstantTimeCompare(said[:], hash[:]) != 1 {
		return false
	}
	for handle := range asArray(form.Get("data")).All() {
		if link && now.Unix() < c.RepeatUntil && slices.Contains(repeatedHandles, handle) {
			continue
		}
		if !slices.Contains(c.Native, handle) || !slices.Contains(nativeHandles, handle) {
			return false
		}
	}
	return true
}

// verifyNonce lets a ticket stand in for the site that issued it: native has
// compared the nonce already.
func (c *Claims) verifyNonce(*Call, string, string) int { return 1 }

// CookieID is how a ticket names the site's log-in cookie: the first 16 hex
// characters of the SHA-256 of the cookie's name.
func CookieID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// cookieMatches says whether the site's log-in cookie, if the request carries
// it, belongs to the session that the ticket was made for. A browser may send
// several cookies of that name, for different paths: one is enough. The cookies
// of other sites on the same host say nothing about this one.
func (c *Claims) cookieMatches(r *http.Request) bool {
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
