// Package backend stands in for the WordPress of several sites: it signs tickets, answers the
// beats that pages post, and calls heartbeatd's API as the plugin does.
package backend

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Nonce is the heartbeat nonce of all pages.
const Nonce = "0123456789"

// native are the handles that heartbeatd may answer.
var native = []string{"presence-ping", "presence-editor-ping"}

// User is a log-in of a site.
type User struct {
	Site string
	ID   int64
}

// Place is where a page is.
type Place struct {
	User   User
	Conn   string
	Screen string
	Post   int64 // the post that it edits, or 0
}

// Room returns the room of the page's post, or an empty string.
func (p Place) Room() string {
	if p.Post == 0 {
		return ""
	}
	return PostRoom(p.Post)
}

// PostRoom returns the room of a post.
func PostRoom(id int64) string { return "postType/post:" + strconv.FormatInt(id, 10) }

// Backend is the WordPress of all sites.
type Backend struct {
	api     *http.Client
	secrets map[string]string // by site

	mu        sync.Mutex // guards the following fields
	serials   map[User]int64
	loggedOut map[User]bool
	posts     int // beats that were posted
	failed    int // calls of the API that failed
}

// New returns the back end of the sites with these secrets. api sends requests for the host
// balancer.Admin.
func New(secrets map[string]string, api *http.Client) *Backend {
	return &Backend{api: api, secrets: secrets, serials: make(map[User]int64), loggedOut: make(map[User]bool)}
}

// Posts returns how many beats pages have posted, and how many calls of the API for them failed.
func (b *Backend) Posts() (posts, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.posts, b.failed
}

// IsOut reports whether a user is logged out.
func (b *Backend) IsOut(u User) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loggedOut[u]
}

// Ticket signs a ticket for a page. It is empty if the user is logged out.
func (b *Backend) Ticket(p Place) string {
	b.mu.Lock()
	serial, out := b.serials[p.User], b.loggedOut[p.User]
	b.mu.Unlock()
	if out {
		return ""
	}
	now, id := time.Now(), strconv.FormatInt(p.User.ID, 10)
	login, page := sha256.Sum256([]byte(id)), sha256.Sum256([]byte(Nonce))
	c := ticket.Claims{
		Name: "User " + id, SID: hex.EncodeToString(login[:]), Nonce: hex.EncodeToString(page[:]), FreshUntil: now.Add(12 * time.Hour).Unix(),
		Can: []string{"edit_posts"}, Native: native, Screen: p.Screen, ScreenLabel: p.Screen, Serials: []int64{serial, 0},
		RegisteredClaims: jwt.RegisteredClaims{Subject: id},
	}
	if p.Post != 0 {
		c.Rooms, c.Post = []string{p.Room()}, &wordpress.Post{ID: p.Post, Type: "post"}
	}
	text, err := ticket.Sign(p.User.Site, b.secrets[p.User.Site], c, now)
	if err != nil {
		panic(err) // the claims are always the same
	}
	return text
}

// Beat answers a posted beat with a new ticket; it is empty if the user is logged out. Unless the
// page says that it has sent its presence over a link, the back end writes its entries.
func (b *Backend) Beat(p Place, linked bool) string {
	b.mu.Lock()
	b.posts++
	b.mu.Unlock()
	answer := b.Ticket(p)
	if answer != "" && !linked {
		b.writeEntries(p)
	}
	return answer
}
