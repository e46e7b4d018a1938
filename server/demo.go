package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// demoSite is the id of the demo site.
const demoSite = "demo"

// Demo is a make-believe WordPress: it has users, log-in cookies, nonces and
// tickets, so that heartbeatd can be looked at, and tested, without a real one.
type Demo struct {
	key   []byte
	keys  wordpress.Keys
	hooks *hook.Hooks // those of the server
}

// DemoUser is one of the demo site's users.
type DemoUser struct {
	ID    int64
	Login string
	Name  string
	Role  string
}

// The demo's people and posts.
var (
	demoUsers = []DemoUser{
		{1, "admin", "Alice Admin", "administrator"},
		{2, "editor", "Ed Editor", "editor"},
		{3, "author", "Ann Author", "author"},
		{4, "contributor", "Con Contributor", "contributor"},
		{5, "subscriber", "Sue Subscriber", "subscriber"},
	}
	demoPosts = []demoPost{
		{42, "post", "Hello world!"},
		{51, "post", "Spring news"},
		{7, "page", "About us"},
	}
	demoScreens = []demoScreen{
		{"dashboard", "Dashboard"}, {"edit-post", "Posts"}, {"upload", "Media"}, {"users", "Users"},
	}
)

type demoPost struct {
	ID    int64
	Type  string
	Title string
}

func (p demoPost) room() string { return fmt.Sprintf("postType/%s:%d", p.Type, p.ID) }

type demoScreen struct{ ID, Label string }

// NewDemo makes a demo site whose secrets all come from key.
func NewDemo(key []byte) *Demo {
	d := &Demo{key: key}
	d.keys = wordpress.Keys{Nonce: d.derive("nonce"), LoggedIn: d.derive("logged in")}
	return d
}

// DemoKey returns the key of this machine's demo site. It is kept in the
// user's cache folder, so that pages stay logged in when heartbeatd restarts;
// where there is none, this run's pages are logged out at its end.
func DemoKey(log *slog.Logger) []byte {
	key, err := keptDemoKey()
	if err != nil {
		log.Warn("the demo site's key cannot be kept: its pages are logged out when heartbeatd ends", "error", err)
		return newDemoKey()
	}
	return key
}

func keptDemoKey() ([]byte, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "heartbeatd", "demo.key")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// Whoever links the file first wins; the others read it.
	draft := path + "." + rand.Text()
	if err := os.WriteFile(draft, newDemoKey(), 0o600); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(draft) }()
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

func newDemoKey() []byte { return []byte(rand.Text() + rand.Text()) }

func (d *Demo) derive(purpose string) string {
	m := hmac.New(sha256.New, d.key)
	m.Write([]byte(purpose))
	return hex.EncodeToString(m.Sum(nil))
}

func (d *Demo) site() Site {
	return Site{ID: demoSite, Secrets: []string{d.derive("tickets")}}
}

// Secret signs the demo site's tickets.
func (d *Demo) Secret() string { return d.derive("tickets") }

// addHooks hangs in what core does for its own nonces.
func (d *Demo) addHooks(h *hook.Hooks) {
	d.hooks = h
	h.Add("wp_refresh_nonces", 10, func(c *hook.Call) {
		l, ok := c.Nonces.(*demoLogin)
		if ok && l.who != nil {
			c.Response.Set("rest_nonce", l.nonce("wp_rest", c.Now))
			c.Response.Set("heartbeat_nonce", l.nonce("heartbeat-nonce", c.Now))
		}
	})
}

// demoLogin is somebody's log-in on the demo site, or nobody's.
type demoLogin struct {
	demo  *Demo
	who   *DemoUser
	token string
}

func (d *Demo) loginOf(u *DemoUser) *demoLogin {
	return &demoLogin{demo: d, who: u, token: d.derive("session of " + u.Login)[:43]}
}

// cookieName differs from user to user, unlike a real site's: so that the
// windows of one browser can be several people.
func (l *demoLogin) cookieName() string {
	return wordpress.CookieName("http://demo.invalid/?user=" + l.who.Login)
}

func (l *demoLogin) passwordHash() string {
	return "$wp$2y$10$" + l.demo.derive("password of "+l.who.Login)
}

func (l *demoLogin) cookie(now time.Time) *http.Cookie {
	expires := now.Add(14 * 24 * time.Hour)
	return &http.Cookie{
		Name: l.cookieName(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Expires: expires,
		Value: l.demo.keys.SignCookie(l.who.Login, l.passwordHash(), expires.Unix(), l.token),
	}
}

// login finds out who sent a request. Of several people in one browser it is
// the one whose nonce came with it.
func (d *Demo) login(r *http.Request, c *hook.Call) *demoLogin {
	found := &demoLogin{demo: d}
	for i := range demoUsers {
		l := d.loginOf(&demoUsers[i])
		cookie, err := r.Cookie(l.cookieName())
		if err != nil {
			continue
		}
		parsed, err := wordpress.ParseCookie(cookie.Value)
		if err != nil || parsed.Login != l.who.Login || d.keys.VerifyCookie(parsed, l.passwordHash(), c.Now) != nil {
			continue
		}
		l.token = parsed.Token
		if l.VerifyNonce(c.Post.String("_nonce"), "heartbeat-nonce", c.Now) != 0 {
			return l
		}
		if found.who == nil {
			found = l
		}
	}
	return found
}

func (l *demoLogin) VerifyNonce(nonce, action string, now time.Time) int {
	if l.who == nil {
		return l.demo.keys.VerifyNonce(nonce, action, 0, "", now)
	}
	return l.demo.keys.VerifyNonce(nonce, action, l.who.ID, l.token, now)
}

func (l *demoLogin) nonce(action string, now time.Time) string {
	return l.demo.keys.CreateNonce(action, l.who.ID, l.token, now)
}

// avatar is where the picture of a user is.
func (u *DemoUser) avatar() string { return "/demo/avatar/" + strconv.FormatInt(u.ID, 10) + ".svg" }

func (u *DemoUser) editsPosts() bool { return u.Role != "subscriber" }

func (l *demoLogin) user() *hook.User {
	if l.who == nil {
		return nil
	}
	u := &hook.User{
		ID: l.who.ID, Name: l.who.Name, Avatar: l.who.avatar(), EditPosts: l.who.editsPosts(),
		ManageOptions: l.who.Role == "administrator",
	}
	if u.EditPosts {
		u.AdminURL = "/wp-admin/"
	}
	for _, p := range demoPosts {
		if u.EditPosts {
			u.Rooms = append(u.Rooms, p.room())
		}
		if u.EditPosts && !slices.Contains(u.Types, p.Type) {
			u.Types = append(u.Types, p.Type)
		}
		u.ScreenLabels = append(u.ScreenLabels, hook.ScreenLabel{Screen: p.Type, Label: "Edit " + strings.ToUpper(p.Type[:1]) + p.Type[1:]})
	}
	for _, s := range demoScreens {
		u.ScreenLabels = append(u.ScreenLabels, hook.ScreenLabel{Screen: s.ID, Label: s.Label})
	}
	return u
}

// ticket signs what this log-in may do from a screen.
func (l *demoLogin) ticket(screen string, now time.Time) string {
	u := l.user()
	nonce := l.nonce("heartbeat-nonce", now)
	hash := sha256.Sum256([]byte(nonce))
	screen = screen[:min(len(screen), maxText)] // a page may call it anything
	c := ticket.Claims{
		Name: u.Name, Avatar: u.Avatar, SID: wordpress.SessionHash(l.token), Cookie: ticket.CookieID(l.cookieName()), Rooms: u.Rooms,
		Screen: screen, ScreenLabel: u.ScreenLabel(screen), Types: u.Types, Admin: u.AdminURL,
		Nonce: hex.EncodeToString(hash[:]), FreshUntil: wordpress.FreshUntil(now).Unix(), Native: l.demo.hooks.NativeHandles(),
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.FormatInt(u.ID, 10)},
	}
	if u.EditPosts {
		c.Can = append(c.Can, "edit_posts")
	}
	if u.ManageOptions {
		c.Can = append(c.Can, "manage_options")
	}
	signed, err := ticket.Sign(demoSite, l.demo.Secret(), c, now)
	if err != nil {
		panic("the demo site's own ticket: " + err.Error()) // made of constants
	}
	return signed
}
