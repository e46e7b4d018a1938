//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// The sites of the node. The good beats are those of blog. Attackers have pages of both, and
// the secret of shop.
const (
	blog, shop             = "blog", "shop"
	blogSecret, shopSecret = "a secret of the blog, good for nothing else", "a secret of the shop, good for nothing else"
	operatorKey            = "an operator's key that is good for nothing else"
)

const (
	nonce  = "0123456789"
	cookie = "wordpress_logged_in_0123456789abcdef0123456789abcdef"
	token  = "a session token"
	// room is the room of the post that all pages edit.
	room = "postType/post:42"
	// firstAttacker is the id of the first of attackers users, whose pages attack.
	firstAttacker, attackers = 1000, 100
)

// claims returns the claims of a user's ticket.
func claims(user int, name string) ticket.Claims {
	now := time.Now()
	page := sha256.Sum256([]byte(nonce))
	return ticket.Claims{
		Name: name, Avatar: "https://example.org/" + strconv.Itoa(user) + ".png", SID: wordpress.SessionHash(token),
		Can: []string{"edit_posts"}, Rooms: []string{room}, Screen: "post", ScreenLabel: "Edit Post", Post: &wordpress.Post{ID: 42, Type: "post"},
		Types: []string{"post"}, Admin: "https://blog.test/wp-admin/", Nonce: hex.EncodeToString(page[:]), FreshUntil: now.Add(time.Hour).Unix(),
		Native: []string{"presence-ping", "presence-editor-ping", "presence-active-posts-ping"}, Deposits: true, RepeatUntil: now.Add(time.Minute).Unix(),
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.Itoa(user)},
	}
}

func sign(site, secret string, c ticket.Claims) string {
	signed, err := ticket.Sign(site, secret, c, time.Now())
	if err != nil {
		panic(err) // the claims are small enough
	}
	return signed
}

// attacker returns the ticket of a page that attacks.
func (c *client) attacker() string {
	user := firstAttacker + c.IntN(attackers)
	site, secret := blog, blogSecret
	if c.chance(2) {
		site, secret = shop, shopSecret
	}
	return sign(site, secret, claims(user, "Attacker"))
}

// ticket returns a ticket: often one that is valid, else one that is mutated, or signed in
// another way.
func (c *client) ticket() string {
	switch c.IntN(6) {
	case 0, 1:
		return c.attacker()
	case 2:
		return c.mutateText(c.attacker())
	case 3: // the shop may sign what it likes
		return c.forge(c.claimsJSON(), "HS256", shop, shopSecret)
	case 4:
		return c.forge(c.claimsJSON(), pick(c.source, []string{"none", "None", "HS384", "HS512", "RS256", "ES256", "hs256", ""}), pick(c.source, []string{blog, shop, "blog-2", "", "*"}), shopSecret)
	}
	return c.forge(c.mutate(c.claimsJSON()), "HS256", c.mutateText(shop), shopSecret)
}

// claimsJSON returns claims with mutated members.
func (c *client) claimsJSON() []byte {
	now := time.Now()
	full := claims(firstAttacker+c.IntN(attackers), "Attacker")
	full.IssuedAt, full.ExpiresAt = ticket.NewTime(now), jwt.NewNumericDate(now.Add(time.Hour))
	full.Cookie, full.Cron, full.Except, full.Editable, full.NotEditable = ticket.CookieID(cookie), now.Unix()+60, 3, []int64{5, 7}, []int64{9}
	full.Rows, full.Sync, full.Ping = "http://127.0.0.1:1/rows", "http://169.254.169.254/", &ticket.Ping{Screen: "post", Title: "A title", PostID: 42}
	full.Callbacks = []string{"a_plugin::callback"}
	b, _ := json.Marshal(full)
	if c.chance(3) {
		return b
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return b
	}
	names := sortedKeys(members)
	for range 1 + c.IntN(3) {
		name := pick(c.source, names)
		switch c.IntN(3) {
		case 0:
			delete(members, name)
		case 1:
			members[name] = json.RawMessage(pick(c.source, values))
		case 2:
			if changed := c.mutate(members[name]); json.Valid(changed) {
				members[name] = changed
			}
		}
	}
	b, _ = json.Marshal(members)
	return b
}

// values are JSON values of all types.
var values = []string{
	"null", "true", "0", "-1", "1.5", "1e300", "9223372036854775807", "18446744073709551616", `""`, `"7"`, `"\u0000"`, `"\ud800"`, `"<b>"`,
	"[]", "{}", "[null]", `["postType/post:42","admin/online","*",">",""]`, `{"0":"a","2":"b"}`, `[[[[1]]]]`, `{"id":-1,"type":"","title":5}`, `"http://127.0.0.1:1/"`,
}

// forge signs claims, which may be any bytes, with an algorithm that the header may name wrongly.
func (c *client) forge(payload []byte, algorithm, kid, secret string) string {
	header := fmt.Appendf(nil, `{"alg":%q,"typ":"JWT","kid":%q}`, algorithm, kid)
	if c.chance(8) {
		header = c.mutate(header)
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	if algorithm == "none" {
		return signed + "."
	}
	method := map[string]func() hash.Hash{"HS384": sha512.New384, "HS512": sha512.New}[algorithm]
	if method == nil {
		method = sha256.New
	}
	mac := hmac.New(method, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// apiKey returns a key for the API, mostly a valid one of the shop.
func (c *client) apiKey() string {
	audience := ticket.ForAPI
	switch c.IntN(10) {
	case 0:
		return operatorKey
	case 1:
		audience = ticket.ForSite
	case 2:
		return c.ticket()
	}
	key, err := ticket.SignKey(shop, shopSecret, audience, time.Now())
	if err != nil {
		panic(err) // no claim can fail
	}
	if c.chance(10) {
		return c.mutateText(key)
	}
	return key
}
