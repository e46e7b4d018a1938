package ticket

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The audiences of the keys that are signed with a site's secret.
const (
	ForAPI  = "api"  // heartbeatd's API
	ForSite = "site" // calls from heartbeatd to WordPress
)

// KeyLife is the longest time for which a site's key is valid.
const KeyLife = time.Minute

// KeyClaims are the claims of a site's key.
type KeyClaims struct {
	IssuedAt *Time  `json:"iat"`           // instead of the RegisteredClaims', which lacks milliseconds
	URL      string `json:"url,omitempty"` // of a key ForSite: where it is sent, and good for
	jwt.RegisteredClaims
}

// GetIssuedAt implements jwt.Claims.
func (c KeyClaims) GetIssuedAt() (*jwt.NumericDate, error) { return c.IssuedAt.numericDate(), nil }

// SignKey signs a key of a site, valid from now for KeyLife. It is good for that site
// and that audience only, and does not contain the secret.
func SignKey(siteID, secret, audience string, now time.Time) (string, error) {
	return sign(siteID, secret, audience, "", now)
}

// SignCall signs a key for a call to the site's WordPress. WordPress accepts it only at this URL:
// whoever else gets it cannot use it.
func SignCall(siteID, secret, url string, now time.Time) (string, error) {
	return sign(siteID, secret, ForSite, url, now)
}

func sign(siteID, secret, audience, url string, now time.Time) (string, error) {
	key := jwt.NewWithClaims(jwt.SigningMethodHS256, KeyClaims{NewTime(now), url, jwt.RegisteredClaims{
		Audience: jwt.ClaimStrings{audience}, ExpiresAt: jwt.NewNumericDate(now.Add(KeyLife)),
	}})
	key.Header["kid"] = siteID
	return key.SignedString([]byte(secret))
}
