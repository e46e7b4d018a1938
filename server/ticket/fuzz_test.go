package ticket

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const fuzzSecret = "a secret for the tests"

// newVerifier returns a verifier of one site.
func newVerifier() *Verifier {
	return &Verifier{
		Keys: func(site string) (keys jwt.VerificationKeySet, err error) {
			if site != "blog" {
				return keys, ErrUnknownSite
			}
			keys.Keys = []jwt.VerificationKey{[]byte(fuzzSecret)}
			return keys, nil
		},
		Network: func(site string) string { return site },
	}
}

func fullClaims() Claims {
	return Claims{
		SID: "s", Nonce: "n", Name: "Ada", Can: []string{"edit_posts"}, Rooms: []string{"postType/post:42"}, Types: []string{"post"}, Editable: []int64{3},
		Native: []string{"presence-ping"}, Ping: &Ping{Screen: "post", PostID: 42}, Cookie: CookieID("a cookie"), RegisteredClaims: jwt.RegisteredClaims{Subject: "7"},
	}
}

// checkVerified checks what is true of every ticket that is valid.
func checkVerified(t *testing.T, raw, site string, c *Claims) {
	t.Helper()
	id, err := c.UserID()
	if site != "blog" || err != nil || id <= 0 || c.User().ID != id || c.IssuedAt == nil || c.ExpiresAt == nil || !c.ExpiresAt.After(time.Now()) {
		t.Errorf("%q is valid for the site %q and the user %d: %+v", raw, site, id, c)
	}
}

// FuzzVerify verifies any text. Only the text of a signed ticket is valid.
func FuzzVerify(f *testing.F) {
	signed, err := Sign("blog", fuzzSecret, fullClaims(), time.Now().Add(time.Hour/2))
	if err != nil {
		f.Fatal(err)
	}
	head, rest, _ := strings.Cut(signed, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"blog"}`))
	for _, raw := range []string{signed, signed + ".", signed[:len(signed)-1], head + "." + head + "." + head, none + "." + rest, none + "." + rest[:strings.IndexByte(rest, '.')] + ".", "..", "", "a.b.c", strings.Repeat("x", MaxBytes+1)} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		v := newVerifier()
		site, c, err := v.Verify(raw)
		var refused *Error
		switch {
		case err == nil:
			checkVerified(t, raw, site, c)
			if c.Subject != "7" || c.Name != "Ada" {
				t.Errorf("%q is valid with the claims %+v", raw, c)
			}
		case !errors.As(err, &refused) || refused.Cause == "" || refused.Reason == "":
			t.Errorf("%q: %v is no Error", raw, err)
		}
		if cachedSite, _, cachedErr := v.VerifyCached(raw); cachedSite != site || (cachedErr == nil) != (err == nil) {
			t.Errorf("%q: %v without the cache, %v with it", raw, err, cachedErr)
		}
	})
}

// FuzzClaims verifies tickets with any claims, which a site may sign, and uses them.
func FuzzClaims(f *testing.F) {
	c := fullClaims()
	c.IssuedAt, c.ExpiresAt = NewTime(time.Now()), jwt.NewNumericDate(time.Now().Add(100*365*24*time.Hour))
	full, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	const required = `{"sub":"7","sid":"s","nonce":"n","iat":1,"exp":99999999999`
	for _, more := range []string{"", `,"native":null`, `,"native":{"0":"a"}`, `,"types":[2024],"post":{"id":1,"type":5}`, `,"rooms":["",null],"can":7`, `,"editable":[1e30]`, `,"ping":[]`, `,"cron":-1,"fresh_until":"x"`, `,"iat":null`, `,"exp":1e300`, `,"sub":"-7"`, `,"sub":7`, `,"aud":[1]`, `,"user":{}`} {
		f.Add([]byte(required + more + "}"))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token := &jwt.Token{Header: map[string]any{"alg": "HS256", "kid": "blog"}, Method: jwt.SigningMethodHS256}
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"blog"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
		signature, err := token.Method.Sign(text, []byte(fuzzSecret))
		if err != nil {
			t.Fatal(err)
		}
		raw := text + "." + base64.RawURLEncoding.EncodeToString(signature)
		v := newVerifier()
		site, claims, err := v.Verify(raw)
		if err != nil {
			return
		}
		checkVerified(t, raw, site, claims)
		r := &http.Request{Header: http.Header{"Cookie": {"a cookie=b"}}}
		_ = claims.CookieMatches(r)
		for _, room := range append(claims.User().Hears(), claims.Rooms...) {
			_ = claims.User().MayEnter(room)
		}
		if _, err := json.Marshal(claims); err != nil {
			t.Errorf("%s: %v", payload, err)
		}
	})
}

// FuzzCookieMatches compares tickets with any cookies.
func FuzzCookieMatches(f *testing.F) {
	const name = "wordpress_logged_in_x"
	for _, cookies := range []string{name + "=a%7C1%7Ctoken%7Cmac", name + "=a%7C1%7Cother%7Cmac; " + name + "=b%7C1%7Ctoken%7Cm", "a=b", name + "=", "=;;", name + `="a|1|token|m"`, "\x00", name + "=%zz"} {
		f.Add(cookies)
	}
	f.Fuzz(func(t *testing.T, cookies string) {
		r := &http.Request{Header: http.Header{"Cookie": {cookies}}}
		c := Claims{Cookie: CookieID(name), SID: "a hash that no token has"}
		carried := false
		for _, cookie := range r.Cookies() {
			carried = carried || cookie.Name == name
		}
		if c.CookieMatches(r) == carried {
			t.Errorf("%q: carried is %v", cookies, carried)
		}
	})
}

// FuzzRevocation applies any revocation from NATS.
func FuzzRevocation(f *testing.F) {
	for _, data := range []string{`{"user":7,"until_ms":99999999999999}`, `{"user":7,"sid":"s","until_ms":1}`, `{"room":"postType/post:42","until_ms":9223372036854775807}`, `{"until_ms":-1}`, `{}`, `null`, `{"user":7,"until_ms":1,"serial":6}`, `{"serial":-9223372036854775808}`} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Revocation
		if json.Unmarshal(data, &r) != nil {
			return
		}
		v := newVerifier()
		v.Revoke("blog", r)
		c := fullClaims()
		c.IssuedAt = NewTime(time.UnixMilli(1_790_000_000_000))
		covers := r.User == 7 && (r.SID == "" || r.SID == c.SID) || r.User == 0 && r.Room == ""
		if revoked := v.Revoked("blog", &c); revoked != (covers && r.Until >= c.IssuedAt.UnixMilli()) {
			t.Errorf("%s: revoked is %v", data, revoked)
		}
		numbered := c
		numbered.Serials = []int64{5, 5}
		if revoked := v.Revoked("blog", &numbered); revoked != (covers && (r.Serial > 5 || r.Serial == 0 && r.Until >= c.IssuedAt.UnixMilli())) {
			t.Errorf("%s: revoked is %v for a ticket with serials", data, revoked)
		}
		if rooms := v.WithoutRevokedRooms("blog", &c).Rooms; len(rooms) == 0 && r.Room != c.Rooms[0] {
			t.Errorf("%s revokes %s", data, c.Rooms[0])
		}
	})
}
