package demosite

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// maxScreen is the maximum number of bytes of a screen ID in a ticket.
const maxScreen = 191

// Login is a log-in of a user, or that of a visitor. It verifies nonces.
type Login struct {
	site  *Site
	user  *user // nil: a visitor
	token string
}

// LoginOf returns the log-in of a user, who must exist.
func (d *Site) LoginOf(userID int64) *Login {
	u := userByID(userID)
	return &Login{site: d, user: u, token: d.derive("session of " + u.Login)[:43]}
}

// LoginFor returns the log-in of a request. If a browser has the cookies of several users,
// it is that of the user whose nonce the call has.
func (d *Site) LoginFor(r *http.Request, c *hook.Call) *Login {
	found := &Login{site: d}
	for _, u := range users {
		l := d.LoginOf(u.ID)
		cookie, err := r.Cookie(l.CookieName())
		if err != nil {
			continue
		}
		parsed, err := wordpress.ParseCookie(cookie.Value)
		if err != nil || parsed.Login != u.Login || d.keys.VerifyCookie(parsed, l.passwordHash(), c.Now) != nil {
			continue
		}
		l.token = parsed.Token
		if l.VerifyNonce(c.Post.String("_nonce"), "heartbeat-nonce", c.Now) != 0 {
			return l
		}
		if found.user == nil {
			found = l
		}
	}
	return found
}

// CookieName returns the name of the log-in cookie. Unlike on a real site it differs from
// user to user, so that the windows of one browser can be several users.
func (l *Login) CookieName() string {
	return wordpress.CookieName("http://demo.invalid/?user=" + l.user.Login)
}

func (l *Login) passwordHash() string {
	return "$wp$2y$10$" + l.site.derive("password of "+l.user.Login)
}

func (l *Login) cookie(now time.Time) *http.Cookie {
	expires := now.Add(14 * 24 * time.Hour)
	return &http.Cookie{
		Name: l.CookieName(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Expires: expires,
		Value: l.site.keys.SignCookie(l.user.Login, l.passwordHash(), expires.Unix(), l.token),
	}
}

// VerifyNonce implements hook.NonceVerifier.
func (l *Login) VerifyNonce(nonce, action string, now time.Time) int {
	if l.user == nil {
		return l.site.keys.VerifyNonce(nonce, action, 0, "", now)
	}
	return l.site.keys.VerifyNonce(nonce, action, l.user.ID, l.token, now)
}

// Nonce returns a nonce of the user for an action.
func (l *Login) Nonce(action string, now time.Time) string {
	return l.site.keys.CreateNonce(action, l.user.ID, l.token, now)
}

// User returns the user, or nil for a visitor.
func (l *Login) User() *hook.User {
	if l.user == nil {
		return nil
	}
	u := &hook.User{
		ID: l.user.ID, Name: l.user.Name, Avatar: l.user.avatar(), EditPosts: l.user.canEditPosts(),
		ManageOptions: l.user.Role == "administrator",
	}
	if u.EditPosts {
		u.AdminURL = "/wp-admin/"
	}
	for _, p := range posts {
		if u.EditPosts {
			u.Rooms = append(u.Rooms, p.room())
		}
		if u.EditPosts && !slices.Contains(u.Types, p.Type) {
			u.Types = append(u.Types, p.Type)
		}
		u.ScreenLabels = append(u.ScreenLabels, hook.ScreenLabel{Screen: p.Type, Label: "Edit " + strings.ToUpper(p.Type[:1]) + p.Type[1:]})
	}
	for _, s := range screens {
		u.ScreenLabels = append(u.ScreenLabels, hook.ScreenLabel{Screen: s.ID, Label: s.Label})
	}
	return u
}

// Ticket signs the ticket of a page on a screen.
func (l *Login) Ticket(screen string, now time.Time) string {
	u := l.User()
	nonce := l.Nonce("heartbeat-nonce", now)
	hash := sha256.Sum256([]byte(nonce))
	screen = screen[:min(len(screen), maxScreen)] // pages name their screens themselves
	c := ticket.Claims{
		Name: u.Name, Avatar: u.Avatar, SID: wordpress.SessionHash(l.token), Cookie: ticket.CookieID(l.CookieName()), Rooms: u.Rooms,
		Screen: screen, ScreenLabel: u.ScreenLabel(screen), Types: u.Types, Admin: u.AdminURL,
		Nonce: hex.EncodeToString(hash[:]), FreshUntil: wordpress.FreshUntil(now).Unix(), Native: l.site.hooks.NativeHandles(),
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.FormatInt(u.ID, 10)},
	}
	if u.EditPosts {
		c.Can = append(c.Can, "edit_posts")
	}
	if u.ManageOptions {
		c.Can = append(c.Can, "manage_options")
	}
	signed, err := ticket.Sign(ID, l.site.Secret(), c, now)
	if err != nil {
		panic("signing a ticket of the demo site: " + err.Error()) // all claims are bounded
	}
	return signed
}
