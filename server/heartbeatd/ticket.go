package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/secretfile"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

type ticketCmd struct {
	SiteID     string        `default:"default" help:"ID of the site."`
	SiteSecret string        `help:"Secret that signs the site's tickets." placeholder:"SECRET"`
	User       int64         `required:"" help:"ID of the user."`
	Name       string        `help:"Name of the user."`
	Avatar     string        `help:"URL of the user's avatar." placeholder:"URL"`
	Can        []string      `help:"Capability of the user: edit_posts, manage_options."`
	Room       []string      `help:"Post room that the user may enter, for example postType/post:42." placeholder:"ROOM"`
	Screen     string        `help:"Screen of the page."`
	Nonce      string        `help:"Heartbeat nonce of the page."`
	Token      string        `help:"Session token of the user." env:"-"`
	Cookie     string        `help:"Name of the site's log-in cookie: the constant LOGGED_IN_COOKIE. If a request has that cookie, it must belong to the session of --token." env:"-" placeholder:"NAME"`
	Fresh      time.Duration `default:"6h" help:"How long the nonce stays in its first half."`
	Native     []string      `default:"presence-ping,presence-editor-ping" help:"Handles that heartbeatd may answer."`

	SiteSecretFile secretfile.Content `help:"File with the secret, in place of --site-secret." placeholder:"FILE"`
}

// Run prints the ticket.
func (c *ticketCmd) Run() error {
	if err := c.SiteSecretFile.Set(&c.SiteSecret, "site-secret"); err != nil {
		return err
	}
	if c.SiteSecret == "" {
		return errors.New("--site-secret or --site-secret-file is required: it is HEARTBEATD_SECRET of wp-config.php")
	}
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
