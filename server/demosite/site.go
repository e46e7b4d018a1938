// Package demosite is a minimal WordPress: it has users, log-in cookies, nonces and tickets,
// so that heartbeatd can be tried and tested without a real one.
package demosite

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// ID is the site id of the demo site.
const ID = "demo"

// Site is the demo site.
type Site struct {
	key   []byte
	keys  wordpress.Keys
	hooks *hook.Hooks // of the server
}

// user is a user of the demo site.
type user struct {
	ID    int64
	Login string
	Name  string
	Role  string
}

// The content of the demo site.
var (
	users = []user{
		{1, "admin", "Alice Admin", "administrator"},
		{2, "editor", "Ed Editor", "editor"},
		{3, "author", "Ann Author", "author"},
		{4, "contributor", "Con Contributor", "contributor"},
		{5, "subscriber", "Sue Subscriber", "subscriber"},
	}
	posts = []post{
		{42, "post", "Hello world!"},
		{51, "post", "Spring news"},
		{7, "page", "About us"},
	}
	screens = []screen{
		{"dashboard", "Dashboard"}, {"edit-post", "Posts"}, {"upload", "Media"}, {"users", "Users"},
	}
)

type post struct {
	ID    int64
	Type  string
	Title string
}

func (p post) room() string { return fmt.Sprintf("postType/%s:%d", p.Type, p.ID) }

type screen struct{ ID, Label string }

// New makes a demo site. All its secrets are derived from key.
func New(key []byte) *Site {
	d := &Site{key: key}
	d.keys = wordpress.Keys{Nonce: d.derive("nonce"), LoggedIn: d.derive("logged in")}
	return d
}

// Key returns the key of this machine's demo site. It is stored in the user's cache
// directory, so that pages stay logged in when heartbeatd restarts. If it cannot be
// stored, Key returns a new one.
func Key(log *slog.Logger) []byte {
	key, err := storedKey()
	if err != nil {
		log.Warn("the key of the demo site cannot be stored: its pages are logged out when heartbeatd ends", "error", err)
		return newKey()
	}
	return key
}

func storedKey() ([]byte, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "heartbeatd", "demo.key")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// The first program that links the file decides on the key; the others read it.
	draft := path + "." + rand.Text()
	if err := os.WriteFile(draft, newKey(), 0o600); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(draft) }()
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

func newKey() []byte { return []byte(rand.Text() + rand.Text()) }

func (d *Site) derive(purpose string) string {
	m := hmac.New(sha256.New, d.key)
	m.Write([]byte(purpose))
	return hex.EncodeToString(m.Sum(nil))
}

// Secret returns the secret that signs the site's tickets.
func (d *Site) Secret() string { return d.derive("tickets") }

// AddHooks adds the hooks that refresh nonces, as core does. Tickets name the native
// handles of h.
func (d *Site) AddHooks(h *hook.Hooks) {
	d.hooks = h
	h.Add("wp_refresh_nonces", 10, func(c *hook.Call) {
		l, ok := c.Nonces.(*Login)
		if ok && l.user != nil {
			c.Response.Set("rest_nonce", l.Nonce("wp_rest", c.Now))
			c.Response.Set("heartbeat_nonce", l.Nonce("heartbeat-nonce", c.Now))
		}
	})
}

// avatar returns the URL of a user's avatar.
func (u *user) avatar() string { return "/demo/avatar/" + strconv.FormatInt(u.ID, 10) + ".svg" }

func (u *user) canEditPosts() bool { return u.Role != "subscriber" }

// userByID returns a user, or nil.
func userByID(id int64) *user {
	i := slices.IndexFunc(users, func(u user) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return &users[i]
}
