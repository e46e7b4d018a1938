package wordpress

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Keys are the secrets of a WordPress, each its KEY and SALT from
// wp-config.php put together.
type Keys struct {
	Nonce    string
	LoggedIn string
}

// nonceHalf is half the life of a nonce.
const nonceHalf = 12 * 60 * 60

// CreateNonce is wp_create_nonce for a user (0 when logged out) in the session
// of a token ("" when logged out).
func (k Keys) CreateNonce(action string, userID int64, token string, now time.Time) string {
	return k.nonce(nonceTick(now), action, userID, token)
}

// VerifyNonce is wp_verify_nonce: 1 for a nonce of the current half of its
// life, 2 for one of the half before, 0 where WordPress says false.
func (k Keys) VerifyNonce(nonce, action string, userID int64, token string, now time.Time) int {
	tick := nonceTick(now)
	current := same(nonce, k.nonce(tick, action, userID, token))
	before := same(nonce, k.nonce(tick-1, action, userID, token))
	switch {
	case current:
		return 1
	case before:
		return 2
	}
	return 0
}

// nonceTick counts half lives, rounding up.
func nonceTick(now time.Time) int64 { return (now.Unix() + nonceHalf - 1) / nonceHalf }

// FreshUntil is the last second of the first half of the life of a nonce made
// now.
func FreshUntil(now time.Time) time.Time { return time.Unix(nonceTick(now)*nonceHalf, 0) }

func (k Keys) nonce(tick int64, action string, userID int64, token string) string {
	message := strconv.FormatInt(tick, 10) + "|" + action + "|" + strconv.FormatInt(userID, 10) + "|" + token
	return hexMAC(md5.New, k.Nonce, message)[20:30]
}

// CookieName returns the name of the log-in cookie. siteURL is WordPress's
// option siteurl, byte for byte: without a slash at the end on a single site,
// with one on a network.
func CookieName(siteURL string) string {
	sum := md5.Sum([]byte(siteURL))
	return "wordpress_logged_in_" + hex.EncodeToString(sum[:])
}

// Cookie is the value of a log-in cookie. Until it expires, its Token is as confidential as
// a password: never log it.
type Cookie struct {
	Login      string
	Expiration int64
	Token      string
	HMAC       string
}

var (
	errCookieMalformed = errors.New("log-in cookie is malformed")
	errCookieExpired   = errors.New("log-in cookie has expired")
	errCookieForged    = errors.New("log-in cookie is not signed by this site for this user")
)

// ParseCookie parses the value of a log-in cookie as a browser sends it. It checks only the
// format.
func ParseCookie(value string) (Cookie, error) {
	fields := strings.SplitN(decodeURL([]byte(value), false), "|", 5)
	if len(fields) != 4 {
		return Cookie{}, errCookieMalformed
	}
	expiration, err := strconv.ParseInt(fields[1], 10, 64)
	// Another spelling of the same number would have another signature.
	if err != nil || strconv.FormatInt(expiration, 10) != fields[1] {
		return Cookie{}, errCookieMalformed
	}
	return Cookie{Login: fields[0], Expiration: expiration, Token: fields[2], HMAC: fields[3]}, nil
}

// SignCookie returns the value of a log-in cookie, encoded as it is sent.
// passwordHash is the user's, as stored.
func (k Keys) SignCookie(login, passwordHash string, expiration int64, token string) string {
	c := Cookie{Login: login, Expiration: expiration, Token: token}
	value := c.signed() + "|" + k.cookieMAC(c, passwordHash)
	return encodeURL(value)
}

// encodeURL encodes a cookie's value as PHP does, which is RFC 3986.
func encodeURL(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// VerifyCookie returns nil if c was signed with these keys for the user with this password
// hash and has not expired. Only WordPress knows whether the session of its token still
// exists.
//
// WordPress itself accepts the cookie of a POST for another hour after it has expired, and
// then refuses it because the session has expired as well.
func (k Keys) VerifyCookie(c Cookie, passwordHash string, now time.Time) error {
	if !same(c.HMAC, k.cookieMAC(c, passwordHash)) {
		return errCookieForged
	}
	if c.Expiration < now.Unix() {
		return errCookieExpired
	}
	return nil
}

// signed is the part of the value that the HMAC covers.
func (c Cookie) signed() string {
	return c.Login + "|" + strconv.FormatInt(c.Expiration, 10) + "|" + c.Token
}

func (k Keys) cookieMAC(c Cookie, passwordHash string) string {
	message := c.Login + "|" + passwordFragment(passwordHash) + "|" + strconv.FormatInt(c.Expiration, 10) + "|" + c.Token
	return hexMAC(sha256.New, hexMAC(md5.New, k.LoggedIn, message), c.signed())
}

// passwordFragment is the part of a password hash that ties cookies to the
// password, so that changing it ends all sessions.
func passwordFragment(hash string) string {
	if strings.HasPrefix(hash, "$P$") || strings.HasPrefix(hash, "$2y$") {
		return hash[min(8, len(hash)):min(12, len(hash))]
	}
	return hash[max(0, len(hash)-4):]
}

// SessionHash returns the key under which WordPress stores the session of a
// token in session_tokens. It is also the claim sid of a ticket.
func SessionHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func hexMAC(algorithm func() hash.Hash, key, message string) string {
	mac := hmac.New(algorithm, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
