package server

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

func claimsFor(user string) ticket.Claims {
	return ticket.Claims{SID: "x", Nonce: "x", Native: []string{}, RegisteredClaims: jwt.RegisteredClaims{Subject: user}}
}

// TestTicketsRefused checks the error of every kind of invalid ticket.
func TestTicketsRefused(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Sites = []Site{{ID: "other", Secrets: []string{"its first secret", "its second secret"}}}
	})
	now := time.Now()
	sign := func(site, secret string, c ticket.Claims, at time.Time) string {
		raw, err := ticket.Sign(site, secret, c, at)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	custom := func(method jwt.SigningMethod, key any, c jwt.Claims) string {
		token := jwt.NewWithClaims(method, c)
		token.Header["kid"] = "other"
		raw, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	inAnHour := jwt.NewNumericDate(now.Add(time.Hour))
	complete := jwt.RegisteredClaims{Subject: "1", IssuedAt: jwt.NewNumericDate(now), ExpiresAt: inAnHour}
	good := sign("other", "its first secret", claimsFor("1"), now)
	for what, c := range map[string]struct{ raw, reason string }{
		"a valid ticket":              {good, ""},
		"the second secret":           {sign("other", "its second secret", claimsFor("1"), now), ""},
		"a clock half a minute ahead": {sign("other", "its first secret", claimsFor("1"), now.Add(30*time.Second)), ""},
		"a clock ten minutes ahead":   {sign("other", "its first secret", claimsFor("1"), now.Add(10*time.Minute)), "issued"},
		"another secret":              {sign("other", "guessed", claimsFor("1"), now), "signature is invalid"},
		"another site's secret":       {sign("demo", "its first secret", claimsFor("1"), now), "signature is invalid"},
		"an unknown site":             {sign("nowhere", "its first secret", claimsFor("1"), now), "signature is invalid"},
		"expired":                     {sign("other", "its first secret", claimsFor("1"), now.Add(-time.Hour-time.Second)), "ticket expired"},
		"long expired":                {sign("other", "its first secret", claimsFor("1"), now.Add(-3*time.Hour)), "expired"},
		"no user":                     {sign("other", "its first secret", claimsFor(""), now), "no user"},
		"user 0":                      {sign("other", "its first secret", claimsFor("0"), now), "no user"},
		"a user that is no number":    {sign("other", "its first secret", claimsFor("admin"), now), "no user"},
		"no signature":                {custom(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, complete), "signing method none is invalid"},
		"another algorithm":           {custom(jwt.SigningMethodHS512, []byte("its first secret"), complete), "signing method HS512 is invalid"},
		"a public-key algorithm":      {custom(jwt.SigningMethodRS256, rsaKey, complete), "signing method RS256 is invalid"},
		"no exp":                      {custom(jwt.SigningMethodHS256, []byte("its first secret"), jwt.RegisteredClaims{Subject: "1", IssuedAt: complete.IssuedAt}), "no time of expiry"},
		"no iat":                      {custom(jwt.SigningMethodHS256, []byte("its first secret"), jwt.RegisteredClaims{Subject: "1", ExpiresAt: inAnHour}), "no time of issue"},
		"one byte changed":            {good[:len(good)-10] + map[bool]string{true: "B", false: "A"}[good[len(good)-10] == 'A'] + good[len(good)-9:], "signature is invalid"},
		"cut":                         {good[:len(good)/2], "ticket is refused"},
		"nothing":                     {"", "no ticket"},
		"more than 2 KB":              {strings.Repeat("x", 2049), "longer than 2048"},
	} {
		t.Run(what, func(t *testing.T) {
			_, _, err := n.verifyTicket(c.raw)
			if c.reason == "" && err != nil || c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)) {
				t.Errorf("%v, want %q", err, c.reason)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || len(c.raw) > 20 && strings.Contains(err.Error(), c.raw)) {
				t.Errorf("the error contains a secret or the ticket: %v", err)
			}
		})
	}
	fat := claimsFor("1")
	fat.Name = strings.Repeat("x", 2000)
	if _, err := ticket.Sign("other", "its first secret", fat, now); err == nil {
		t.Error("a ticket of more than 2 KB was signed")
	}
}

// TestTicketAndCookie checks that the site's own log-in cookie is compared with the
// ticket, and no other cookie.
func TestTicketAndCookie(t *testing.T) {
	n := newNode(t)
	p, name := n.page(t, 1), n.demo.LoginOf(1).CookieName()
	address, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	cookies := p.http.Jar.Cookies(address)
	if len(cookies) != 1 {
		t.Fatalf("the demo site set %d cookies", len(cookies))
	}
	own := cookies[0].String()
	another := name + "=admin%7C1999999999%7Canother-session%7C0"
	foreign := "wordpress_logged_in_" + strings.Repeat("a", 32) + "=bob%7C1999999999%7Cx%7C0"
	p.http.Jar = nil
	for what, c := range map[string]struct {
		cookies []string
		good    bool
	}{
		"none":                                 {nil, true},
		"the site's":                           {[]string{own}, true},
		"another site's":                       {[]string{foreign}, true},
		"the site's and another site's":        {[]string{foreign, own}, true},
		"the site's, of another session":       {[]string{another}, false},
		"another session's and another site's": {[]string{another, foreign}, false},
		"both sessions', for different paths":  {[]string{another, own}, true},
		"the site's, malformed":                {[]string{name + "=x"}, false},
	} {
		header := http.Header{}
		if c.cookies != nil {
			header.Set("Cookie", strings.Join(c.cookies, "; "))
		}
		s, _, err := p.dial(t, header)
		if err != nil {
			t.Fatal(err)
		}
		s.send(p.hello())
		f, err := s.read()
		if err != nil || (f.Type == "welcome") != c.good || !c.good && (f.Code != 4003 || !strings.Contains(f.Reason, "cookie")) {
			t.Errorf("a socket with %s: %+v %v", what, f, err)
		}
		for path, body := range map[string]string{"/heartbeat/open": p.hello(), "/heartbeat/beat": p.form()} {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", n.url+path, strings.NewReader(body))
			r.Header = header.Clone()
			r.Header.Set("Content-Type", formType)
			r.Header.Set(ticketHeader, p.ticket)
			if status := p.do(t, r).StatusCode; (status == 200) != c.good || !c.good && status != 403 {
				t.Errorf("%s with %s: %d", path, what, status)
			}
		}
	}
}

// TestTicketWithoutCookie checks that cookies are ignored if the ticket names none.
func TestTicketWithoutCookie(t *testing.T) {
	r, _ := http.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "wordpress_logged_in_x=bob%7C1999999999%7Cx%7C0")
	if claims := claimsFor("1"); !claims.CookieMatches(r) {
		t.Error("a cookie that the ticket does not name was compared")
	}
}

// TestRenew checks that a newer ticket of the same log-in is accepted, and that of another
// user is not.
func TestRenew(t *testing.T) {
	n := newNode(t)
	p, other := n.page(t, 1), n.page(t, 2)
	s := p.socket(t)
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, n.page(t, 1).ticket))
	if f := s.beat(1, p.form()); f.Type != "tick" {
		t.Errorf("after a newer ticket: %+v", f)
	}
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, other.ticket))
	if bye, code := s.ended(); code != 4003 {
		t.Errorf("after another user's ticket: %d %q", code, bye.Reason)
	}
}

// repeat allows the drop-in to repeat PHP's answers for d from now.
func repeat(now time.Time, d time.Duration) func(*ticket.Claims) {
	return func(c *ticket.Claims) { c.RepeatUntil = now.Add(d).Unix() }
}

// TestTicketExpires checks that a session ends when its ticket expires, and that the expired
// ticket is refused.
func TestTicketExpires(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	_, claims, err := n.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	if p.ticket, err = ticket.Sign(demoSite, n.demo.Secret(), *claims, time.Now().Add(2*time.Second-ticket.Life)); err != nil {
		t.Fatal(err)
	}
	if bye, code := p.socket(t).ended(); code != 4003 || !strings.Contains(bye.Reason, "expired") {
		t.Errorf("when the ticket expires: %d %q", code, bye.Reason)
	}
	s, _, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(p.hello())
	if f, err := s.read(); err != nil || f.Type != "bye" || !strings.Contains(f.Reason, "expired") {
		t.Errorf("a hello with the expired ticket: %+v, %v", f, err)
	}
}

// TestNative checks which beats heartbeatd may answer and which are for PHP.
func TestNative(t *testing.T) {
	p := newNode(t).page(t, 1)
	_, good, err := p.node.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	lock, locks := p.form("data[wp-refresh-post-lock][post_id]=1"), p.form("data[wp-check-locked-posts][]=post-1")
	for what, c := range map[string]struct {
		change func(*ticket.Claims)
		body   string
		at     time.Time
		link   bool
		want   bool
	}{
		"a native handle":                   {nil, p.pinging("x"), now, true, true},
		"PHP wants every beat":              {func(c *ticket.Claims) { c.Native = nil }, p.form(), now, true, false},
		"no handle is native, none sent":    {func(c *ticket.Claims) { c.Native = []string{} }, p.form(), now, true, true},
		"no handle is native, one sent":     {func(c *ticket.Claims) { c.Native = []string{} }, p.pinging("x"), now, true, false},
		"a handle only WordPress knows":     {func(c *ticket.Claims) { c.Native = append(c.Native, "theirs") }, p.form("data[theirs]=1"), now, true, false},
		"a ticket of 11 minutes":            {nil, p.form(), now.Add(11 * time.Minute), true, true},
		"a ticket of 13 minutes":            {nil, p.form(), now.Add(13 * time.Minute), true, false},
		"a nonce in its second half":        {func(c *ticket.Claims) { c.FreshUntil = now.Unix() }, p.form(), now, true, false},
		"a lock that the drop-in repeats":   {repeat(now, time.Second), lock, now, true, true},
		"locks that the drop-in repeats":    {repeat(now, time.Second), locks, now, true, true},
		"a lock of a page without a link":   {repeat(now, time.Second), lock, now, false, false},
		"a lock after the time to repeat":   {repeat(now, 0), lock, now, true, false},
		"locks after the time to repeat":    {repeat(now, 0), locks, now, true, false},
		"a ticket without a time to repeat": {nil, lock, now, true, false},
	} {
		t.Run(what, func(t *testing.T) {
			claims := *good
			if c.change != nil {
				c.change(&claims)
			}
			form := wordpress.ParseForm([]byte(c.body))
			beat := hook.Call{Post: form, Data: form.Array("data"), Now: c.at}
			if got := claims.WhyPHP(&beat, p.node.pipeline.Hooks(), c.link, beat.Now) == ""; got != c.want {
				t.Errorf("heartbeatd may answer: %v, want %v", got, c.want)
			}
		})
	}
}

// TestSets checks that heartbeatd answers only beats with the sets of handles that the ticket
// names, if it names some.
func TestSets(t *testing.T) {
	p := newNode(t).page(t, 1)
	_, good, err := p.node.verifyTicket(p.ticket)
	if err != nil {
		t.Fatal(err)
	}
	const lock, locks, nonces = "data[wp-refresh-post-lock][post_id]=1", "data[wp-check-locked-posts][]=post-1", "data[wp-refresh-post-nonces][post_id]=1"
	const ping, editorPing, stock = "data[presence-ping][screen]=x", "data[presence-editor-ping][post_id]=1", "data[stock]=1"
	for what, c := range map[string]struct {
		sets, counted []string
		beat          string
		want          bool
	}{
		"no set is named":                           {nil, nil, lock, true},
		"an empty list":                             {[]string{}, nil, ping, false},
		"an allowed set":                            {[]string{"wp-refresh-post-lock"}, nil, lock, true},
		"an allowed set with own handles":           {[]string{"wp-refresh-post-lock"}, nil, ping + "&" + lock, true},
		"a set with nonces":                         {[]string{"wp-refresh-post-lock,wp-refresh-post-nonces"}, []string{"wp-refresh-post-nonces"}, nonces + "&" + lock, true},
		"an allowed set and nonces":                 {[]string{"wp-refresh-post-lock"}, []string{"wp-refresh-post-nonces"}, nonces + "&" + lock, false},
		"an allowed set with a deposit":             {[]string{"wp-refresh-post-lock", "*"}, nil, stock + "&" + lock, true},
		"an allowed set, a deposit is not":          {[]string{"wp-refresh-post-lock"}, nil, stock + "&" + lock, false},
		"a deposit, its set is not allowed":         {[]string{"wp-refresh-post-lock", "*"}, nil, stock + "&" + locks, false},
		"another set":                               {[]string{"wp-refresh-post-lock"}, nil, locks, false},
		"a part of a set":                           {[]string{"wp-check-locked-posts,wp-refresh-post-lock"}, nil, lock, false},
		"two allowed sets together":                 {[]string{"wp-check-locked-posts", "wp-refresh-post-lock"}, nil, lock + "&" + locks, false},
		"the handles of a set in another order":     {[]string{"wp-check-locked-posts,wp-refresh-post-lock"}, nil, lock + "&" + locks, true},
		"own handles only, not allowed":             {[]string{"wp-refresh-post-lock"}, nil, ping, false},
		"own handles only":                          {[]string{""}, nil, ping, true},
		"nonces only, not allowed":                  {[]string{"", "wp-refresh-post-lock"}, []string{"wp-refresh-post-nonces"}, nonces, false},
		"a deposit only, not allowed":               {[]string{"", "wp-refresh-post-lock"}, nil, stock, false},
		"a deposit only":                            {[]string{"", "*"}, nil, stock, true},
		"native handles of another plugin":          {[]string{"presence-editor-ping,presence-ping"}, []string{"presence-ping", "presence-editor-ping"}, ping + "&" + editorPing, true},
		"a part of the handles of another plugin":   {[]string{"presence-editor-ping,presence-ping"}, []string{"presence-ping", "presence-editor-ping"}, ping, false},
		"native handles of another plugin, without": {[]string{""}, []string{"presence-ping"}, ping, false},
	} {
		t.Run(what, func(t *testing.T) {
			claims := *good
			repeat(time.Now(), time.Minute)(&claims)
			claims.Deposits, claims.Sets, claims.Counted = true, c.sets, c.counted
			form := wordpress.ParseForm([]byte(p.form(c.beat)))
			beat := hook.Call{Post: form, Data: form.Array("data"), Now: time.Now(), Deposits: []hook.Deposit{{Handle: "stock"}}}
			if got := claims.WhyPHP(&beat, p.node.pipeline.Hooks(), true, beat.Now) == ""; got != c.want {
				t.Errorf("heartbeatd may answer: %v, want %v", got, c.want)
			}
		})
	}
}
