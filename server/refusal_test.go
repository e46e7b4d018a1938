package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestRefusalsLogged checks that every cause of a refusal is logged once with its reason,
// and that tickets are not logged.
func TestRefusalsLogged(t *testing.T) {
	var log lockedBuffer
	n := newNode(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Sites = []Site{{ID: "other", Secrets: []string{"the secret of the other site"}}}
	})
	p := n.page(t, 1)
	sign := func(site, secret string, at time.Time) string {
		raw, err := ticket.Sign(site, secret, claimsFor("1"), at)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	now := time.Now()
	p.http.Jar = nil // only the cookies of the cases
	revoked := n.page(t, 2).ticket
	n.call(t, "/revoke", `{"user":2}`)
	until(t, "the revocation", func() bool { _, _, err := n.verifyTicket(revoked); return err != nil })
	for _, c := range []struct{ cause, site, ticket, origin, cookie string }{
		{"no-ticket", "\"\"", "", "", ""},
		{"bad-ticket", "\"\"", "none", "", ""},
		{"signature", "other", sign("other", "guessed", now), "", ""},
		{"unknown-site", "\"\"", sign("nowhere", "guessed", now), "", ""},
		{"clock", "other", sign("other", "the secret of the other site", now.Add(time.Hour)), "", ""},
		{"expired", "other", sign("other", "the secret of the other site", now.Add(-2*time.Hour)), "", ""},
		{"revoked", "demo", revoked, "", ""},
		{"origin", "\"\"", p.ticket, "https://evil.example.org", ""},
		{"cookie", "demo", p.ticket, "", n.demo.LoginOf(1).CookieName() + "=x"},
	} {
		for range 3 {
			hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q}`, c.ticket, p.conn)
			r, _ := http.NewRequestWithContext(t.Context(), "POST", n.url+"/heartbeat/open", strings.NewReader(hello))
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.cookie != "" {
				r.Header.Set("Cookie", c.cookie)
			}
			if answer := p.do(t, r); answer.StatusCode != 403 {
				t.Errorf("%s: status %d", c.cause, answer.StatusCode)
			}
		}
		line := fmt.Sprintf(`msg="a page is refused" site=%s cause=%s reason=`, c.site, c.cause)
		if got := strings.Count(log.String(), line); got != 1 {
			t.Errorf("%s: logged %d times", c.cause, got)
		}
		if len(c.ticket) > 20 && strings.Contains(log.String(), c.ticket[:20]) {
			t.Errorf("%s: the ticket is in the log", c.cause)
		}
	}
	if !strings.Contains(log.String(), "origin=https://evil.example.org") {
		t.Errorf("the log does not name the origin:\n%s", log.String())
	}
}

// TestHTTPLimitLogged checks that a page is logged that the limit of sessions over HTTP
// refuses.
func TestHTTPLimitLogged(t *testing.T) {
	var log lockedBuffer
	n := newNode(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	n.requests.OnRefuse(httptest.NewRequest("POST", "/heartbeat/open", nil), &transport.Bye{Code: transport.CodeTooMany, Reason: "too many sessions over HTTP"})
	if !strings.Contains(log.String(), `msg="a page is refused" site="" cause=limit reason="too many sessions over HTTP"`) {
		t.Errorf("logged %s", log.String())
	}
}

// lockedBuffer is a bytes.Buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// TestRefusedDepositIsLogged checks that the log has the limit because of which a deposit is refused,
// once.
func TestRefusedDepositIsLogged(t *testing.T) {
	var log lockedBuffer
	n := newNode(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	stored := 0
	for i := range 60 {
		status, answer := n.call(t, "/answer", fmt.Sprintf(`{"to":{"all":true},"handle":"h%d","value":1,"ttl":60}`, i))
		switch {
		case status == http.StatusAccepted:
			stored++
			until(t, "the deposit is stored", func() bool {
				return len(n.deposits.Held(demoSite, deposit.Page{}, time.Now())) == stored
			})
		case status != http.StatusTooManyRequests || answer["code"] != "limit_reached":
			t.Fatalf("deposit %d: %d %v", i, status, answer)
		}
	}
	text := log.String()
	if strings.Count(text, `msg="a deposit is refused" site=demo limit=deposits error="a site has at most 50 handles with deposits"`) != 1 || strings.Contains(text, "budget") {
		t.Errorf("logged %s", text)
	}
	if refused := testCounter(t, n, "deposits"); stored != 50 || refused != 10 {
		t.Errorf("%d deposits are stored, and %d refusals are counted", stored, refused)
	}
}
