package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

type ticketCmd struct {
	SiteID     string        `default:"default" help:"The site's id."`
	SiteSecret string        `required:"" help:"The secret that signs the site's tickets." placeholder:"SECRET"`
	User       int64         `required:"" help:"The user's id."`
	Name       string        `help:"The user's name."`
	Avatar     string        `help:"Where the user's picture is." placeholder:"URL"`
	Can        []string      `help:"What the user can do: edit_posts, manage_options."`
	Room       []string      `help:"A post room that the user may enter, as postType/post:42." placeholder:"ROOM"`
	Screen     string        `help:"The screen that the page is."`
	Nonce      string        `help:"The page's heartbeat nonce."`
	Token      string        `help:"The user's session token." env:"-"`
	Cookie     string        `help:"The name of the site's log-in cookie: the constant LOGGED_IN_COOKIE. A request that carries it must belong to the session of --token." env:"-" placeholder:"NAME"`
	Fresh      time.Duration `default:"6h" help:"How long the nonce stays in its first half."`
	Native     []string      `default:"presence-ping,presence-editor-ping" help:"The handles that heartbeatd may answer."`
}

// Run prints the ticket.
func (c *ticketCmd) Run() error {
	now := time.Now()
	nonce, session := sha256.Sum256([]byte(c.Nonce)), sha256.Sum256([]byte(c.Token))
	claims := ticket.Claims{
		Name: c.Name, Avatar: c.Avatar, SID: hex.EncodeToString(session[:]), Can: c.Can, Rooms: c.Room, Screen: c.Screen,
		Nonce: hex.EncodeToString(nonce[:]), FreshUntil: now.Add(c.Fresh).Unix(), Native: c.Native,
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.FormatInt(c.User, 10)},
	}
	if c.Cookie != "" {
		claims.Cookie = ticket.CookieID(c.Cookie)
	}
	ticket, err := ticket.Sign(c.SiteID, c.SiteSecret, claims, now)
	if err != nil {
		return err
	}
	fmt.Println(ticket)
	return nil
}
