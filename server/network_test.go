package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

const room42 = "postType/post:42"

// memberPage returns a page of a site of the demo site's network.
func (n *node) memberPage(t *testing.T, site string, user int) *page {
	t.Helper()
	claims := claimsFor(fmt.Sprint(user))
	claims.Name, claims.Can, claims.Rooms = fmt.Sprintf("%d of %s", user, site), []string{"edit_posts"}, []string{room42}
	signed, err := ticket.Sign(site, n.demo.Secret(), claims, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &page{node: n, http: http.DefaultClient, ticket: signed, conn: fmt.Sprintf("conn-of-%s-%d", site, user)}
}

// TestNetwork checks three sites of one network that share the secret of the first: their
// rooms and pushes are separate, their log-ins are not.
func TestNetwork(t *testing.T) {
	n := newNode(t)
	editing := func(p *page) string {
		return fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":%q,"body":"data%%5Bpresence-editor-ping%%5D%%5Bpost_id%%5D=42"}`, p.ticket, p.conn)
	}
	enter := func(site string, user int) *socket {
		p := n.memberPage(t, site, user)
		s, _, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.send(editing(p))
		s.next("welcome")
		return s
	}
	first, second, third := enter("demo", 11), enter("demo-2", 12), enter("demo-3", 12)
	for site, s := range map[string]*socket{"11 of demo": first, "12 of demo-2": second, "12 of demo-3": third} {
		f := s.presence(room42, func(f frame) bool { return len(f.Snapshot)+len(f.Joined) > 0 })
		for _, e := range append(f.Snapshot, f.Joined...) {
			if e["display_name"] != site {
				t.Errorf("%s receives %v for its post 42", site, e)
			}
		}
	}

	key := nodetest.SignKey(t, "demo-2", n.demo.Secret(), time.Now(), time.Minute, "api")
	if status, answer := n.callWith(t, key, "/push", `{"to":{"room":"`+room42+`"},"data":"two"}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	if f := second.next("push"); string(f.Data) != `"two"` {
		t.Errorf("the second site received %s", f.Data)
	}
	if status, answer := n.callWith(t, key, "/status", ""); status != http.StatusOK || answer["sessions"] != 1.0 {
		t.Errorf("status of the second site: %v", answer)
	}

	// A log-in is for the whole network, and so is its revocation.
	before := n.memberPage(t, "demo", 12).ticket
	if status, answer := n.callWith(t, key, "/revoke", fmt.Sprintf(`{"user":12,"until_ms":%d}`, time.Now().UnixMilli())); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	for _, s := range []*socket{second, third} {
		if f := s.next("bye"); f.Code != transport.CodeTicket {
			t.Errorf("bye %+v", f)
		}
	}
	if _, _, err := n.verifyTicket(before); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a ticket of the first site: %v", err)
	}
	for _, f := range append(first.seen, third.seen...) {
		if f.Type == "push" || f.Type == "bye" {
			t.Errorf("received %+v of another site", f)
		}
	}
}

// TestNetworkIsOptedInto checks that the secret of a site does not sign for another one whose ID
// looks like that of a site of its network, wherever a node does not know that other site.
func TestNetworkIsOptedInto(t *testing.T) {
	var log lockedBuffer
	secret := "the secret of a tenant"
	n := newNode(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Sites = []Site{{ID: "shop", Secrets: []string{secret}}}
	})
	forged, err := ticket.Sign("shop-2", secret, claimsFor("1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.verifyTicket(forged); err == nil || n.sites.get("shop-2") != nil {
		t.Errorf("a ticket for another tenant: %v", err)
	}
	key := nodetest.SignKey(t, "shop-2", secret, time.Now(), time.Minute, "api")
	if status, _ := n.callWith(t, key, "/push", `{"to":{"all":true},"data":1}`); status != http.StatusUnauthorized {
		t.Errorf("a key for another tenant: status %d", status)
	}
	hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"a-connection"}`, forged)
	r, _ := http.NewRequestWithContext(t.Context(), "POST", n.url+"/heartbeat/open", strings.NewReader(hello))
	n.page(t, 1).do(t, r)
	if !strings.Contains(log.String(), "WordPress network, set --site-network") {
		t.Errorf("logged %s", log.String())
	}
	_, err = New(Config{Broker: n.broker, BasePath: "/heartbeat", Sites: []Site{
		{ID: "shop", Secrets: []string{secret}, Network: true}, {ID: "shop-2", Secrets: []string{"another secret"}},
	}})
	if err == nil || !strings.Contains(err.Error(), `"shop-2"`) {
		t.Errorf("overlapping sites: %v", err)
	}
}

// TestNetworkLimit reaches the site limit of a network. Only ids in verified tickets count.
func TestNetworkLimit(t *testing.T) {
	n := newNode(t)
	for _, id := range []string{"demo-0", "demo-02", "demo-2x", "demo-", "other-2", "demo-2-3"} {
		if n.sites.first(id) != nil {
			t.Errorf("%s is accepted as a site of the network", id)
		}
	}
	forged, err := ticket.Sign("demo-7", "guessed", claimsFor("1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.verifyTicket(forged); err == nil || len(n.sites.members) != 0 {
		t.Errorf("a forged ticket: %v, and %d sites", err, len(n.sites.members))
	}
	for i := range maxMembers {
		if n.sites.get(fmt.Sprintf("demo-%d", i+2)) == nil {
			t.Fatalf("site %d is refused below the limit", i)
		}
	}
	_, _, err = n.verifyTicket(n.memberPage(t, "demo-99999", 1).ticket)
	if bye := new(transport.Bye); !errors.As(err, &bye) || bye.Code != transport.CodeTooMany || bye.RetryAfter < 30*time.Second || !strings.Contains(bye.Reason, "site limit") {
		t.Errorf("a site above the limit: %v", err)
	}
	posting := n.memberPage(t, "demo-99999", 1)
	r := posting.post(t, posting.form())
	if after, err := strconv.Atoi(r.Header.Get("Retry-After")); r.StatusCode != http.StatusTooManyRequests || err != nil || after < 30 || after > 120 {
		t.Errorf("a beat by POST of a site above the limit: status %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	if _, _, err := n.verifyTicket(n.memberPage(t, "demo-5", 1).ticket); err != nil {
		t.Errorf("a known site at the limit: %v", err)
	}
	n.sites.forgetIdle(n.sessions.sites())
	if len(n.sites.members) != maxMembers {
		t.Errorf("%d sites are left, want all: each was just used", len(n.sites.members))
	}
	for _, st := range n.sites.members {
		st.lastUsed.Store(0)
	}
	page := n.memberPage(t, "demo-6", 1)
	page.socket(t)
	n.sites.forgetIdle(n.sessions.sites())
	if len(n.sites.members) != 1 {
		t.Errorf("%d sites are left, want the one in use", len(n.sites.members))
	}
}

// nativePage gives a page a ticket with which heartbeatd answers its beats.
func (p *page) nativePage(t *testing.T, raw string) *page {
	t.Helper()
	site, claims, err := p.node.verifyTicket(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := *claims
	p.nonce = "0123456789"
	sum := sha256.Sum256([]byte(p.nonce))
	c.Nonce, c.FreshUntil, c.Native = hex.EncodeToString(sum[:]), time.Now().Add(time.Hour).Unix(), nativeHandles
	if p.ticket, err = ticket.Sign(site.ID, p.node.demo.Secret(), c, time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}
