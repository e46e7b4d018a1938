package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// askWait is how long one request of the doctor's may take.
const askWait = 10 * time.Second

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// ask sends one request as a page of the site would; what is in header comes
// on top. How long it may take is the caller's to say.
func (d *checkup) ask(ctx context.Context, method, address, body string, header map[string]string) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "heartbeatd doctor")
	if method != http.MethodGet || !d.sameOrigin() {
		r.Header.Set("Origin", d.origin)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	started := time.Now()
	got, err := d.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	return &answer{got.StatusCode, got.Header, string(b), time.Since(started)}, nil
}

func (d *checkup) askSoon(ctx context.Context, method, address, body string, header map[string]string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	return d.ask(ctx, method, address, body, header)
}

// at is one of heartbeatd's addresses for browsers.
func (d *checkup) at(path string) string { return d.live.String() + path }

// visit is a page that the doctor pretends to be: of a user whom nobody is, in
// a room where nobody else is.
type visit struct {
	user, post    int64
	room, conn    string
	nonce, ticket string
	session       string // of its long-poll
}

// visit signs a ticket by the site's clock, as WordPress would.
func (d *checkup) visit() (*visit, error) {
	v := &visit{user: largeID(), post: largeID(), conn: rand.Text(), nonce: rand.Text()}
	v.room = "postType/heartbeatd-doctor:" + strconv.FormatInt(v.post, 10)
	nonce, token := sha256.Sum256([]byte(v.nonce)), sha256.Sum256([]byte(rand.Text()))
	now := time.Now().Add(d.siteAhead)
	var err error
	v.ticket, err = ticket.Sign(d.SiteID, d.SiteSecret, ticket.Claims{
		Name: "heartbeatd doctor", SID: hex.EncodeToString(token[:]), Cookie: ticket.CookieID("wordpress_logged_in_" + rand.Text()), Rooms: []string{v.room}, Screen: "front",
		Nonce: hex.EncodeToString(nonce[:]), FreshUntil: now.Add(time.Hour).Unix(), Native: []string{"presence-editor-ping"},
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.FormatInt(v.user, 10)},
	}, now)
	return v, err
}

// largeID is an id that no user and no post has.
func largeID() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<51))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return 1<<52 + n.Int64()
}

// beat is the body of a beat, which heartbeatd may answer itself; an editing
// one enters the room.
func (v *visit) beat(editing bool) string {
	form := url.Values{"interval": {"60"}, "_nonce": {v.nonce}, "action": {"heartbeat"}, "screen_id": {"front"}, "has_focus": {"false"}}
	if editing {
		form.Set("data[presence-editor-ping][post_id]", strconv.FormatInt(v.post, 10))
	}
	return form.Encode()
}

// unreachable says why there was no answer at all.
func (d *checkup) unreachable(address string, err error) finding {
	u, _ := url.Parse(address)
	host := u.Host
	var dns *net.DNSError
	var timeout net.Error
	switch text := plain(err); {
	case errors.As(err, &dns):
		return failed("Mend the name, or its entry in the DNS", "there is no host %s", host)
	case strings.Contains(text, "x509:") || strings.Contains(text, "tls:"):
		return failed("Browsers refuse it as well: mend the certificate, or install its chain whole", "the certificate of %s is refused: %s", host, text)
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return failed("Is it a firewall, or a web server that waits for something behind it?", "%s gives no answer within %s", host, d.patience)
	case strings.Contains(text, "refused"):
		return failed("Start the web server, or mend the port", "nothing listens at %s", host)
	default:
		return failed("See the web server's log", "%s: %s", host, text)
	}
}

// excerpt is the beginning of an answer, for a message.
func excerpt(body string) string {
	body = strings.Join(strings.Fields(body), " ")
	if len(body) > 80 {
		body = body[:80] + "…"
	}
	return strconv.Quote(body)
}
