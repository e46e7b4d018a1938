package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const tenantSecret = "the secret of all sites of the test"

// tenantNode returns a node with a noisy site and 99 quiet ones.
func tenantNode(t *testing.T) (n *node, quiet []string) {
	t.Helper()
	sites := []Site{{ID: "noisy", Secrets: []string{tenantSecret}}}
	for i := range 99 {
		quiet = append(quiet, fmt.Sprint("quiet", i))
		sites = append(sites, Site{ID: quiet[i], Secrets: []string{tenantSecret}})
	}
	return newNode(t, func(c *Config) { c.Sites = sites }), quiet
}

// tenantPage returns a page of user 7 of a site, whose beats heartbeatd answers.
func (n *node) tenantPage(t *testing.T, site string) *page {
	t.Helper()
	p := &page{node: n, http: http.DefaultClient, conn: "conn-of-" + site, nonce: "0123456789"}
	claims := claimsFor("7")
	claims.Nonce, claims.FreshUntil, claims.Native = wordpress.SessionHash(p.nonce), time.Now().Add(time.Hour).Unix(), nativeHandles
	claims.Can, claims.Rooms = []string{"edit_posts"}, []string{room42}
	var err error
	if p.ticket, err = ticket.Sign(site, tenantSecret, claims, time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}

// tenantCall calls the API for a site.
func (n *node) tenantCall(t *testing.T, site, path, body string) (int, map[string]any) {
	t.Helper()
	return n.callWith(t, nodetest.SignKey(t, site, tenantSecret, time.Now(), time.Minute, "api"), path, body)
}

// fill writes entries of a site until one is refused.
func (n *node) fill(t *testing.T, site string) (entries int) {
	t.Helper()
	for ; ; entries++ {
		id := fmt.Sprint("user-", entries+1000)
		err := n.broker.Put(presence.Key{Site: site, Room: wordpress.AdminRoom, ClientID: id, Conn: "poll"},
			presence.Stored{Entry: presence.Entry{UserID: int64(entries + 1000), DateGMT: wordpress.Date(time.Now())}})
		if err != nil {
			return entries
		}
	}
}

// TestNoisyTenantEntries has one site write as many entries as it can. The people of the others
// stay, and new ones are shown. The ticks of the noisy site do not say who is online, since they
// would leave out people.
func TestNoisyTenantEntries(t *testing.T) {
	n, quiet := tenantNode(t)
	before := n.tenantPage(t, quiet[0]).socket(t)
	if tick := before.beat(1, n.tenantPage(t, quiet[0]).pinging("dashboard")); !strings.Contains(tick.Body, `"user_id":7`) {
		t.Fatalf("before: %+v", tick)
	}
	const there = 85_000 // entries that take too long to write
	n.broker.Budgets().Entries.Add("noisy", there)
	if entries := n.fill(t, "noisy"); entries < 90_000-there || entries > 100_000-there {
		t.Errorf("the noisy site has %d more entries", entries)
	}
	for _, site := range quiet[1:] {
		p := n.tenantPage(t, site)
		s := p.socket(t)
		if tick := s.beat(1, p.pinging("dashboard")); tick.Type != "tick" || !strings.Contains(tick.Body, `"user_id":7`) {
			t.Fatalf("%s: %+v", site, tick)
		}
	}
	if tick := before.beat(2, n.tenantPage(t, quiet[0]).pinging("plugins")); !strings.Contains(tick.Body, `"plugins"`) {
		t.Errorf("a page that was there before: %+v", tick)
	}
	noisy := n.tenantPage(t, "noisy")
	if tick := noisy.socket(t).beat(1, noisy.pinging("dashboard")); tick.Type != "tick" || strings.Contains(tick.Body, "presence-online") {
		t.Errorf("the noisy site: %s with %d bytes", tick.Type, len(tick.Body))
	}
	put := `{"room":"a/b","client_id":"x","user_id":0,"data":{}}`
	r, body := nodetest.Send(t, "PUT", n.admin+"/api/v1/presence", put, http.Header{"Authorization": {"Bearer " + nodetest.SignKey(t, "noisy", tenantSecret, time.Now(), time.Minute, "api")}})
	if r.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "limit_reached") || !strings.Contains(body, "presence entries") {
		t.Errorf("the API: %d %s", r.StatusCode, body)
	}
	if testCounter(t, n, "entries") < 3 {
		t.Error("the refusals are not counted")
	}
}

// TestNoisyTenantBytes has one site write large entries. It cannot use the memory of the others.
func TestNoisyTenantBytes(t *testing.T) {
	n, quiet := tenantNode(t)
	data := []byte(`{"a":"` + strings.Repeat("x", 10_000) + `"}`)
	stored := 0
	for ; ; stored += len(data) {
		k := presence.Key{Site: "noisy", Room: wordpress.AdminRoom, ClientID: fmt.Sprint("user-", stored), Conn: "poll"}
		if n.broker.Put(k, presence.Stored{Entry: presence.Entry{Data: data, DateGMT: wordpress.Date(time.Now())}}) != nil {
			break
		}
	}
	if stored > 128<<20 || stored < 100<<20 {
		t.Errorf("%d bytes of the noisy site are stored", stored)
	}
	for _, site := range quiet {
		p := n.tenantPage(t, site)
		if r := p.post(t, p.pinging("dashboard")); r.StatusCode != 200 {
			t.Fatalf("%s: %d", site, r.StatusCode)
		}
	}
	if testCounter(t, n, "entry_bytes") < 1 {
		t.Error("the refusals are not counted")
	}
}

// TestNoisyTenantPushes has one site push as much as it can. Pages of the others get their own
// pushes when they reconnect.
func TestNoisyTenantPushes(t *testing.T) {
	n, quiet := tenantNode(t)
	n.subscribed(t)
	lost := n.tenantPage(t, quiet[0]).read(t, "websocket", "")
	if status, answer := n.tenantCall(t, quiet[0], "/push", `{"to":{"all":true},"data":"kept"}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	large := `{"to":{"all":true},"data":"` + strings.Repeat("x", 60<<10) + `"}`
	for pushed := 0; ; pushed++ {
		status, answer := n.tenantCall(t, "noisy", "/push", large)
		if status == http.StatusTooManyRequests {
			if answer["code"] != "limit_reached" || !strings.Contains(fmt.Sprint(answer["message"]), "bytes of pushes") || pushed < 400 {
				t.Errorf("after %d pushes: %v", pushed, answer)
			}
			break
		}
		if status != http.StatusAccepted || pushed > 600 {
			t.Fatalf("push %d: %d %v", pushed, status, answer)
		}
	}
	for _, site := range quiet {
		if status, answer := n.tenantCall(t, site, "/push", `{"to":{"all":true},"data":"end"}`); status != http.StatusAccepted {
			t.Fatalf("%s: %d %v", site, status, answer)
		}
	}
	p := n.tenantPage(t, quiet[0])
	p.conn += "-2"
	if got := fmt.Sprint(p.read(t, "websocket", lost.cursor).until(`"end"`, "")); got != `["kept" "end"]` {
		t.Errorf("a page of a quiet site got %s", got)
	}
	if testCounter(t, n, "pushes") < 1 {
		t.Error("the refusals are not counted")
	}
}

// TestNoisyTenantRevocations has one site revoke as much as it can. Those of other sites are
// taken, and have their effect, also on a node that starts later.
func TestNoisyTenantRevocations(t *testing.T) {
	hub := newHub(t)
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()}
	sites := func(c *Config) {
		c.Sites = []Site{{ID: "noisy", Secrets: []string{tenantSecret}}, {ID: "quiet", Secrets: []string{tenantSecret}}}
	}
	n := newNodeOn(t, on, sites)
	p := n.tenantPage(t, "quiet")
	if status, answer := n.tenantCall(t, "quiet", "/revoke", `{"user":7}`); status != http.StatusAccepted {
		t.Fatal(status, answer)
	}
	room := strings.Repeat(`\u0001`, 180)
	for i := range 90_000 {
		body := fmt.Appendf(nil, `{"room":"%s%d","until_ms":1}`, room, i)
		if _, err := n.broker.Publish(context.Background(), topic.Revocations, "noisy", body); err != nil {
			if !strings.Contains(err.Error(), "revocations") || i < 30_000 {
				t.Errorf("revocation %d: %v", i, err)
			}
			break
		}
		if i > 60_000 {
			t.Fatal("there is no limit")
		}
	}
	if status, answer := n.tenantCall(t, "noisy", "/revoke", `{"room":"`+room+`"}`); status != http.StatusAccepted {
		t.Errorf("the noisy site: %d %v", status, answer)
	}
	if status, answer := n.tenantCall(t, "quiet", "/revoke", `{"user":8}`); status != http.StatusAccepted {
		t.Errorf("another site: %d %v", status, answer)
	}
	later := newNodeOn(t, on, sites)
	until(t, "the later node refuses the ticket that was revoked first", func() bool {
		_, _, err := later.verifyTicket(p.ticket)
		return err != nil
	})
}

// TestNoisyTenantsInTurn has twenty sites use as much as they can of every budget, one after another.
// A site that comes after them is shown, pushes, deposits and revokes.
func TestNoisyTenantsInTurn(t *testing.T) {
	n, sites := tenantNode(t)
	all := n.broker.Budgets()
	for _, site := range sites[:20] {
		for _, b := range []*budget.Budget{all.Entries, all.EntryBytes, all.Pushes, all.Revocations, all.Deposits} {
			for part := int64(1 << 24); part > 0; part /= 2 {
				for b.Take(site, part) == nil {
					continue
				}
			}
		}
	}
	quiet := sites[98]
	p := n.tenantPage(t, quiet)
	if tick := p.socket(t).beat(1, p.pinging("dashboard")); tick.Type != "tick" || !strings.Contains(tick.Body, `"user_id":7`) {
		t.Errorf("a page: %+v", tick)
	}
	for path, body := range map[string]string{
		"/push": `{"to":{"all":true},"data":1}`, "/answer": `{"to":{"all":true},"handle":"stock","value":1,"ttl":60}`, "/revoke": `{"user":8}`,
	} {
		if status, answer := n.tenantCall(t, quiet, path, body); status != http.StatusAccepted {
			t.Errorf("%s: %d %v", path, status, answer)
		}
	}
	until(t, "the deposit is stored", func() bool { return n.deposits.Has(quiet) })
	if _, _, err := n.verifyTicket(p.ticket); err != nil {
		t.Errorf("the ticket of a user who was not revoked: %v", err)
	}
}

// TestRevokeOverBudget checks that a revocation above the budget revokes all tickets of the network
// instead, at most once a second, and those of no other site.
func TestRevokeOverBudget(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Sites = []Site{{ID: "shop", Secrets: []string{tenantSecret}, Network: true}, {ID: "quiet", Secrets: []string{tenantSecret}}}
	})
	var published atomic.Int64
	n.broker.Subscribe(topic.Revocations, nil, func(m broker.Message) {
		if m.Site != "" { // not the epoch of the stream
			published.Add(1)
		}
	})
	pages := map[string]*page{"shop": n.tenantPage(t, "shop"), "shop-2": n.tenantPage(t, "shop-2"), "quiet": n.tenantPage(t, "quiet")}
	link := pages["shop-2"].socket(t)
	n.broker.Budgets().Revocations.Add("shop", 1<<30)
	began := time.Now()
	for i := range 100 {
		body := fmt.Sprintf(`{"user":%d}`, 8+i)
		if i%2 == 1 {
			body = `{"all":true,"until_ms":` + fmt.Sprint(i) + `}`
		}
		if status, answer := n.tenantCall(t, fmt.Sprint("shop-", 2+i%10), "/revoke", body); status != http.StatusAccepted {
			t.Fatalf("%s: %d %v", body, status, answer)
		}
	}
	if _, code := link.ended(); code != 4003 {
		t.Errorf("a page of the network ended with %d", code)
	}
	for site, p := range pages {
		if _, _, err := n.verifyTicket(p.ticket); (err == nil) != (site == "quiet") {
			t.Errorf("the ticket of %s: %v", site, err)
		}
	}
	if got, most := published.Load(), int64(time.Since(began).Seconds())+2; got == 0 || got > most {
		t.Errorf("%d revocations were published, want at most %d", got, most)
	}
	until(t, "a later ticket is valid", func() bool {
		_, _, err := n.verifyTicket(n.tenantPage(t, "shop").ticket)
		return err == nil
	})
}

// TestMissed checks that pages are told when pushes are gone that they have not received: those
// that reconnect, and those that are connected to a node that has not received them.
func TestMissed(t *testing.T) {
	n := newNode(t)
	n.subscribed(t)
	s := n.page(t, 1).socket(t)
	seq := n.replay.kept.Cursor.Seq + 1
	push := func(seq uint64) {
		at := topic.Cursor{Epoch: n.replay.kept.Cursor.Epoch, Seq: seq}
		n.replay.receive(broker.Message{Site: demoSite, Cursor: at, Data: []byte(`{"kind":"push","to":{"all":true},"data":1}`)})
	}
	push(seq)
	s.next("push")
	push(seq + 10)
	epoch := n.replay.kept.Cursor.Epoch
	if f := s.next("missed"); f.Cursor != fmt.Sprint(epoch, "-", seq+9) {
		t.Errorf("a connected page: %+v", f)
	}
	for after, told := range map[string]bool{
		"": false, fmt.Sprint(epoch, "-", seq+9): false, fmt.Sprint(epoch, "-", seq): true, "gone-5": true,
	} {
		back, _, err := n.page(t, 2).dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := n.page(t, 2)
		back.send(strings.Replace(p.hello(), `"conn"`, `"after":"`+after+`","conn"`, 1))
		back.next("welcome")
		push(n.replay.kept.Cursor.Seq + 1)
		back.next("push")
		missed := false
		for _, f := range back.seen {
			missed = missed || f.Type == "missed"
		}
		if missed != told {
			t.Errorf("after %q: told %v, want %v", after, missed, told)
		}
	}
}

// TestNoisyTenantSessions has pages of one site use all sessions that the site may have. Pages of
// the others come, and one more of the site is told to come back later.
func TestNoisyTenantSessions(t *testing.T) {
	n, quiet := tenantNode(t)
	n.broker.Budgets().Sessions.Add("noisy", 199_999)
	last := n.tenantPage(t, "noisy").socket(t)
	more := n.tenantPage(t, "noisy")
	more.conn = "one-page-more"
	for range 2 {
		if r, body := nodetest.Send(t, "POST", n.url+"/heartbeat/open", more.hello(), nil); r.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "session limit of this site reached") || !strings.Contains(body, "retry_after_ms") {
			t.Errorf("one session too many: %d %s", r.StatusCode, body)
		}
	}
	if refused := testCounter(t, n, "sessions"); refused != 2 {
		t.Errorf("%v refusals are counted", refused)
	}
	last.send(`{"type":"leave"}`)
	until(t, "the session has ended", func() bool {
		r, _ := nodetest.Send(t, "POST", n.url+"/heartbeat/open", more.hello(), nil)
		return r.StatusCode == http.StatusOK
	})
	for _, site := range quiet {
		n.tenantPage(t, site).socket(t)
	}
}
