package ticket

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxBytes is the most bytes that a ticket may have: it travels in headers.
	MaxBytes = 2048
	// Life is how long a ticket is valid.
	Life = time.Hour
)

// Sign signs claims for a site. The ticket is valid from now for Life.
func Sign(siteID, secret string, c Claims, now time.Time) (string, error) {
	c.IssuedAt = NewTime(now)
	c.ExpiresAt = jwt.NewNumericDate(now.Add(Life))
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = siteID
	signed, err := t.SignedString([]byte(secret))
	if err == nil && len(signed) > MaxBytes {
		err = fmt.Errorf("the ticket has %d bytes, and the limit is %d: leave rooms out", len(signed), MaxBytes)
	}
	return signed, err
}

// Cause is the kind of reason for which a ticket is refused. Their number is fixed, so a
// count for each cause is bounded.
type Cause string

// The causes.
const (
	Missing      Cause = "no-ticket"
	Malformed    Cause = "bad-ticket"
	BadSignature Cause = "signature"
	UnknownSite  Cause = "unknown-site"
	WrongClock   Cause = "clock"
	Expired      Cause = "expired"
	Unknown      Cause = "revocations-unknown"
	Revoked      Cause = "revoked"
)

// Causes are all causes.
var Causes = []Cause{Missing, Malformed, BadSignature, UnknownSite, WrongClock, Expired, Unknown, Revoked}

// Error says why a ticket is refused.
type Error struct {
	Site   string // the id of the site that the ticket names, if it was read
	Cause  Cause
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// ErrUnknownSite is what Verifier.Keys returns for a site that is not configured.
var ErrUnknownSite = errors.New("no such site")

// Verifier verifies tickets. Set Keys and Network before the first use.
type Verifier struct {
	// Keys returns the keys that verify a site's tickets, or ErrUnknownSite.
	Keys func(siteID string) (jwt.VerificationKeySet, error)
	// Network returns the id of the first site of a site's network, or the site's own:
	// the sites of a network share their users and log-ins.
	Network func(siteID string) string
	// Time returns this machine's time; nil: time.Now. Tests set it.
	Time func() time.Time

	clocks      clocks
	cache       cache
	texts       interned[string]
	ids         interned[int64]
	revocations revocations
	incomplete  chan struct{} // closed when the revocations are complete; nil: they are
	completed   sync.Once
}

// Verify returns the site and the claims of a ticket that is valid now. The error is an
// *Error.
func (v *Verifier) Verify(raw string) (siteID string, c *Claims, err error) {
	if siteID, c, err = v.parse(raw); err != nil {
		return "", nil, err
	}
	return v.check(siteID, c)
}

var parser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation()) // check compares times

// parse checks what does not change during a ticket's life: its signature and its claims.
func (v *Verifier) parse(raw string) (siteID string, c *Claims, err error) {
	if raw == "" {
		return "", nil, &Error{Cause: Missing, Reason: "no ticket"}
	}
	if len(raw) > MaxBytes {
		return "", nil, &Error{Cause: Malformed, Reason: "the ticket is longer than 2048 bytes"}
	}
	c = new(Claims)
	if _, err = parser.ParseWithClaims(raw, c, v.Keyfunc(&siteID)); err != nil {
		return "", nil, &Error{siteID, v.causeFor(siteID, err), "the ticket is refused: " + err.Error()}
	}
	if _, err := c.UserID(); err != nil || c.IssuedAt == nil || c.ExpiresAt == nil {
		return "", nil, &Error{siteID, Malformed, "the ticket names no user, no time of issue or no time of expiry"}
	}
	if ahead := c.IssuedAt.Sub(v.now()); ahead <= ClockSkew {
		v.clocks.of(siteID).Signed(c.IssuedAt.Time, v.now(), false)
	}
	for _, list := range []*[]string{&c.Native, &c.Sets, &c.Counted, &c.Can, &c.Types} {
		*list = internTexts(&v.texts, *list)
	}
	c.Editable, c.NotEditable = internIDs(&v.ids, c.Editable), internIDs(&v.ids, c.NotEditable)
	c.user = c.User()
	return siteID, c, nil
}

// check checks what changes during a ticket's life: whether it has expired or was
// revoked, which of its rooms were, and whether the clock was set back.
func (v *Verifier) check(siteID string, c *Claims) (string, *Claims, error) {
	if c.isAhead(v.now()) {
		return "", nil, &Error{siteID, WrongClock, "the ticket was issued more than five minutes in the future: a clock is wrong, or was set back"}
	}
	if !v.Now(siteID).Before(c.ExpiresAt.Time) {
		return "", nil, &Error{siteID, Expired, "ticket expired"}
	}
	if !v.isComplete() && v.Now(siteID).Sub(c.IssuedAt.Time) > freshTicket {
		return "", nil, &Error{siteID, Unknown, "this node does not know yet which tickets are revoked: get a newer one from WordPress"}
	}
	if v.Revoked(siteID, c) {
		return "", nil, &Error{siteID, Revoked, "the ticket is revoked"}
	}
	return siteID, v.WithoutRevokedRooms(siteID, c), nil
}

// noSecret is a key that nobody has.
var noSecret = jwt.VerificationKeySet{Keys: []jwt.VerificationKey{[]byte(rand.Text() + rand.Text())}}

// Keyfunc returns the function by which a JWT parser finds the secrets of the site that
// a JWT names. It sets id to that site. For a site that is not configured it returns a
// key that nobody has: who does not know a secret does not learn which sites there are.
func (v *Verifier) Keyfunc(id *string) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		*id, _ = t.Header["kid"].(string)
		keys, err := v.Keys(*id)
		if errors.Is(err, ErrUnknownSite) {
			return noSecret, nil
		}
		return keys, err
	}
}

// causeFor is causeOf for a JWT that names a site.
func (v *Verifier) causeFor(siteID string, err error) Cause {
	cause := causeOf(err)
	if _, unknown := v.Keys(siteID); cause == BadSignature && errors.Is(unknown, ErrUnknownSite) {
		return UnknownSite
	}
	return cause
}

// causeOf returns the cause of an error of the JWT parser.
func causeOf(err error) Cause {
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		return BadSignature
	}
	return Malformed
}
