package wordpress

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// liveVector was made by a live WordPress at the time Now. Cookie is the value before it was
// encoded for the browser.
type liveVector struct {
	SiteURL         string `json:"siteurl"`
	NonceKeySalt    string `json:"nonce_key_salt"`
	LoggedInKeySalt string `json:"logged_in_key_salt"`
	UserID          int64  `json:"user_id"`
	Login           string `json:"login"`
	PasswordHash    string `json:"password_hash"`
	Token           string `json:"token"`
	Expiration      int64  `json:"expiration"`
	Now             int64  `json:"now"`
	Action          string `json:"action"`
	Nonce           string `json:"nonce"`
	Cookie          string `json:"cookie"`
}

func TestNoncesAndCookiesOfALiveWordPress(t *testing.T) {
	file, err := os.ReadFile("testdata/live.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []liveVector
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("testdata/live.json is empty")
	}
	for _, v := range vectors {
		keys := Keys{Nonce: v.NonceKeySalt, LoggedIn: v.LoggedInKeySalt}
		now := time.Unix(v.Now, 0)
		if got := keys.CreateNonce(v.Action, v.UserID, v.Token, now); got != v.Nonce {
			t.Errorf("nonce of %q for %s at %d is %s, not %s", v.Login, v.Action, v.Now, v.Nonce, got)
		}
		if state := keys.VerifyNonce(v.Nonce, v.Action, v.UserID, v.Token, now); state != 1 {
			t.Errorf("nonce of %q for %s at %d has state %d", v.Login, v.Action, v.Now, state)
		}
		if got := keys.SignCookie(v.Login, v.PasswordHash, v.Expiration, v.Token); got != encodeURL(v.Cookie) {
			t.Errorf("cookie is %q, not %q", encodeURL(v.Cookie), got)
		}
		cookie, err := ParseCookie(encodeURL(v.Cookie))
		if err != nil {
			t.Fatalf("%q: %v", v.Cookie, err)
		}
		if cookie.Login != v.Login || cookie.Token != v.Token || cookie.Expiration != v.Expiration {
			t.Errorf("%q is read as %+v", v.Cookie, cookie)
		}
		if err := keys.VerifyCookie(cookie, v.PasswordHash, now); err != nil {
			t.Errorf("%q: %v", v.Cookie, err)
		}
	}
}

// TestNoncesAndCookiesAsPHPComputesThem compares with PHP, for more secrets, log-ins and
// times than a live site has.
func TestNoncesAndCookiesAsPHPComputesThem(t *testing.T) {
	var questions []question
	var ours [][]byte
	for _, seed := range seeds(t) {
		r := source(seed)
		for range 500 {
			secret, action, token := generateString(r), generateString(r), generateString(r)
			user, now := r.Int64N(1<<40), r.Int64N(1<<33)
			if r.IntN(4) == 0 {
				now = now/nonceHalf*nonceHalf + r.Int64N(3) - 1
			}
			keys := Keys{Nonce: secret, LoggedIn: secret}
			questions = append(questions, question{'n', serialize(list(secret, action, user, token, now))})
			ours = append(ours, []byte(keys.CreateNonce(action, user, token, time.Unix(now, 0))))

			login, hash, site := generateString(r), generateHash(r), generateString(r)
			questions = append(questions, question{'c', serialize(list(secret, login, hash, now, token, site))})
			ours = append(ours, serialize(list(CookieName(site), keys.SignCookie(login, hash, now, token), SessionHash(token))))
		}
	}
	compare(t, questions, func(i int) []byte { return ours[i] })
}

func generateHash(r *rand.Rand) string {
	hash := pick(r, []string{"$P$", "$2y$10$", "$2y$", "$wp$2y$10$", "$argon2id$", "$P", "$2b$", ""}) + generateString(r)
	return hash[:r.IntN(len(hash)+1)]
}

func TestVerifyNonce(t *testing.T) {
	keys := Keys{Nonce: "nonce key and salt"}
	const token = "aVeryLongToken"
	made := time.Unix(40_000*nonceHalf, 0) // the last second of a half
	nonce := keys.CreateNonce("heartbeat-nonce", 7, token, made)
	if nonce != "a1dc7f1c6c" {
		t.Errorf("nonce is %s", nonce)
	}
	for _, c := range []struct {
		nonce, action string
		user          int64
		token         string
		after         time.Duration
		want          int
	}{
		{nonce, "heartbeat-nonce", 7, token, 0, 1},
		{nonce, "heartbeat-nonce", 7, token, -nonceHalf*time.Second + time.Second, 1},
		{nonce, "heartbeat-nonce", 7, token, -nonceHalf * time.Second, 0},
		{nonce, "heartbeat-nonce", 7, token, time.Second, 2},
		{nonce, "heartbeat-nonce", 7, token, nonceHalf * time.Second, 2},
		{nonce, "heartbeat-nonce", 7, token, nonceHalf*time.Second + time.Second, 0},
		{nonce, "heartbeat-nonce", 8, token, 0, 0},
		{nonce, "heartbeat-nonce", 7, "another", 0, 0},
		{nonce, "heartbeat", 7, token, 0, 0},
		{nonce[:9], "heartbeat-nonce", 7, token, 0, 0},
		{strings.ToUpper(nonce), "heartbeat-nonce", 7, token, 0, 0},
		{"", "heartbeat-nonce", 7, token, 0, 0},
	} {
		if got := keys.VerifyNonce(c.nonce, c.action, c.user, c.token, made.Add(c.after)); got != c.want {
			t.Errorf("%q %q %d %q after %v: %d, want %d", c.nonce, c.action, c.user, c.token, c.after, got, c.want)
		}
	}
	if (Keys{Nonce: "other"}).VerifyNonce(nonce, "heartbeat-nonce", 7, token, made) != 0 {
		t.Error("the nonce of another site is accepted")
	}
}

func TestFreshUntil(t *testing.T) {
	keys := Keys{Nonce: "nonce key and salt"}
	for _, made := range []int64{40_000*nonceHalf - 1, 40_000 * nonceHalf, 40_000*nonceHalf + 1} {
		nonce := keys.CreateNonce("heartbeat-nonce", 7, "token", time.Unix(made, 0))
		fresh := FreshUntil(time.Unix(made, 0))
		if state := keys.VerifyNonce(nonce, "heartbeat-nonce", 7, "token", fresh); state != 1 {
			t.Errorf("made at %d: state %d while fresh", made, state)
		}
		if state := keys.VerifyNonce(nonce, "heartbeat-nonce", 7, "token", fresh.Add(time.Second)); state != 2 {
			t.Errorf("made at %d: state %d when no longer fresh", made, state)
		}
	}
}

func TestVerifyCookie(t *testing.T) {
	keys := Keys{LoggedIn: "logged-in key and salt"}
	const hash = "$wp$2y$10$abcdefghijklmnopqrstuv"
	expires := time.Unix(1795411200, 0)
	good, err := ParseCookie(keys.SignCookie("first last", hash, expires.Unix(), "token"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		cookie Cookie
		hash   string
		now    time.Time
		want   error
	}{
		{"good", good, hash, expires, nil},
		{"expired", good, hash, expires.Add(time.Second), errCookieExpired},
		{"new password", good, "$wp$2y$10$abcdefghijklmnopqrstuw", expires, errCookieForged},
		{"other login", Cookie{"other", good.Expiration, good.Token, good.HMAC}, hash, expires, errCookieForged},
		{"longer life", Cookie{good.Login, good.Expiration + 1, good.Token, good.HMAC}, hash, expires, errCookieForged},
		{"other token", Cookie{good.Login, good.Expiration, "t", good.HMAC}, hash, expires, errCookieForged},
		{"no signature", Cookie{good.Login, good.Expiration, good.Token, ""}, hash, expires, errCookieForged},
	} {
		if err := keys.VerifyCookie(c.cookie, c.hash, c.now); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestParseCookie(t *testing.T) {
	want := Cookie{Login: "a+b c", Expiration: 1795411200, Token: "t", HMAC: "h"}
	for _, value := range []string{"a+b%20c%7C1795411200%7Ct%7Ch", "a+b c|1795411200|t|h", "a%2bb%20c|1795411200%7ct|h"} {
		if got, err := ParseCookie(value); err != nil || got != want {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
	for _, value := range []string{
		"", "a", "a|1|t", "a|1|t|h|", "a||t|h", "a|01|t|h", "a|+1|t|h", "a|1 |t|h", "a|x|t|h", "a|9223372036854775808|t|h",
		strings.Repeat("|", 100_000),
	} {
		if got, err := ParseCookie(value); err == nil {
			t.Errorf("%.40q is read as %+v", value, got)
		}
	}
}

func TestNames(t *testing.T) {
	if got := CookieName("https://example.org"); got != "wordpress_logged_in_5564fd6a95028f02e52b38bb1743c816" {
		t.Error(got)
	}
	if got := SessionHash("token"); got != "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0" {
		t.Error(got)
	}
}
