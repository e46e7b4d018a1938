package server

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// taking gives the page a ticket that allows deposited values.
func (p *page) taking(t *testing.T) *page {
	return p.withClaims(t, func(c *ticket.Claims) { c.Deposits = true })
}

// deposit deposits a value, and fails the test if that is refused.
func (n *node) deposit(t *testing.T, to, value string) {
	t.Helper()
	if status, answer := n.call(t, "/answer", `{"to":`+to+`,"handle":"stock","value":`+value+`,"ttl":60}`); status != 202 {
		t.Fatalf("%s: %d %v", to, status, answer)
	}
}

// hears waits for a frame that names the handles with a value.
func (s *socket) hears(changed string, handles ...string) {
	s.t.Helper()
	if f := s.next("deposits"); f.Changed != changed || !slices.Equal(f.Handles, handles) {
		s.t.Errorf("told of %v, changed %q; want %v, %q", f.Handles, f.Changed, handles, changed)
	}
}

const asksStock = "data[stock][product]=7"

// TestDeposit checks that a deposited value answers beats of the pages that it is for, until it
// is withdrawn.
func TestDeposit(t *testing.T) {
	n := newNode(t)
	ed, alice := n.page(t, 2).taking(t), n.page(t, 1).taking(t)
	link, other := ed.socket(t), alice.socket(t)
	if f := link.beat(1, ed.form(asksStock)); f.Type != "decline" {
		t.Fatalf("without a deposit: %+v", f)
	}
	n.deposit(t, `{"user":2}`, `{"left":"3/<é>","price":1.0,"none":{}}`)
	link.hears("stock", "stock")
	const want = `"stock":{"left":"3\/<\u00e9>","price":1.0,"none":{}}`
	if f := link.beat(2, ed.form(asksStock)); f.Type != "tick" || !strings.Contains(f.Body, want) {
		t.Errorf("on a link: %+v", f)
	}
	if r := ed.post(t, ed.form(asksStock)); r.StatusCode != 200 || !strings.Contains(text(r), want) {
		t.Errorf("by POST: %d", r.StatusCode)
	}
	if f := link.beat(3, ed.form(asksStock, "data[other]=1")); f.Type != "decline" {
		t.Errorf("with a handle that only PHP knows: %+v", f)
	}
	if f := other.beat(4, alice.form(asksStock)); f.Type != "decline" {
		t.Errorf("of another user: %+v", f)
	}
	if r := alice.post(t, alice.form(asksStock)); r.StatusCode != 409 {
		t.Errorf("of another user, by POST: %d", r.StatusCode)
	}
	if metric := n.metric(t, "heartbeatd_deposit_beats_total"); metric != "2" {
		t.Errorf("%s beats were counted", metric)
	}
	n.deposit(t, `{"user":2}`, `null`)
	link.hears("")
	if f := link.beat(5, ed.form(asksStock)); f.Type != "decline" {
		t.Errorf("after it was withdrawn: %+v", f)
	}
	for _, f := range other.seen {
		if f.Type == "deposits" {
			t.Errorf("another user was told of %v", f.Handles)
		}
	}
}

// TestDepositTargets checks which value a page gets, by the claims of its ticket, and that it is
// told of its own values only.
func TestDepositTargets(t *testing.T) {
	n := newNode(t)
	ed, sue := n.page(t, 2).taking(t), n.page(t, 5).taking(t) // sue cannot edit posts
	link, other := ed.socket(t), sue.socket(t)
	is := func(s *socket, p *page, value string) {
		t.Helper()
		f := s.beat(1, p.form(asksStock))
		if (value == "") != (f.Type == "decline") || !strings.Contains(f.Body, value) {
			t.Errorf("answered %+v, want %s", f, value)
		}
	}
	n.deposit(t, `{"can":"edit_posts"}`, `"can"`)
	link.hears("stock", "stock")
	is(link, ed, `"stock":"can"`)
	is(other, sue, "")
	n.deposit(t, `{"all":true}`, `"all"`)
	other.hears("stock", "stock")
	is(other, sue, `"stock":"all"`)
	is(link, ed, `"stock":"can"`)
	n.deposit(t, `{"room":"`+room42+`"}`, `"room"`)
	link.hears("stock", "stock")
	is(link, ed, `"stock":"room"`)
	is(other, sue, `"stock":"all"`)
	for _, f := range slices.Concat(link.seen, other.seen) {
		if f.Type == "deposits" {
			t.Errorf("told again of %v, changed %q", f.Handles, f.Changed)
		}
	}
	// A ticket without the room no longer gets its value.
	less := ed.withClaims(t, func(c *ticket.Claims) { c.Rooms, c.Can = nil, nil })
	link.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, less.ticket))
	is(link, ed, `"stock":"all"`)
}

// TestDepositUncovered checks that a page is told when the withdrawal of a value gives it
// another one, and not when it still has the same.
func TestDepositUncovered(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2).taking(t)
	link := p.socket(t)
	for _, to := range []string{`{"all":true}`, `{"can":"edit_posts"}`, `{"user":2}`} {
		n.deposit(t, to, fmt.Sprintf("%q", to))
		link.hears("stock", "stock")
	}
	n.deposit(t, `{"can":"edit_posts"}`, `null`)
	n.deposit(t, `{"user":2}`, `null`)
	link.hears("stock", "stock")
	if f := link.beat(1, p.form(asksStock)); f.Type != "tick" || !strings.Contains(f.Body, `"all`) {
		t.Errorf("answered %+v", f)
	}
	for _, f := range link.seen {
		if f.Type == "deposits" {
			t.Errorf("told again of %v, changed %q", f.Handles, f.Changed)
		}
	}
}

// TestDepositSpread checks that many pages get more time for their beats, which PHP may answer.
func TestDepositSpread(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2)
	links := []*socket{p.socket(t), n.page(t, 2).socket(t), n.page(t, 1).socket(t)}
	n.deposit(t, `{"all":true}`, `1`)
	for _, link := range links {
		if f := link.next("deposits"); f.Spread != 100 {
			t.Errorf("spread over %d ms", f.Spread)
		}
	}
}

// TestDepositForPHPsPage checks that a page whose beats PHP answers is told of a new value, and
// that the value does not answer its beats.
func TestDepositForPHPsPage(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2)
	link := p.socket(t)
	n.deposit(t, `{"all":true}`, `1`)
	link.hears("stock")
	if f := link.beat(1, p.form(asksStock)); f.Type != "decline" {
		t.Errorf("answered %+v", f)
	}
}

// TestDepositExpires checks that a value that has expired does not answer beats, that the page
// is told, and that it is told of the next value.
func TestDepositExpires(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 2).taking(t)
	link := p.socket(t)
	if status, _ := n.call(t, "/answer", `{"to":{"all":true},"handle":"stock","value":1,"ttl":1}`); status != 202 {
		t.Fatal(status)
	}
	link.hears("stock", "stock")
	until(t, "the value expires", func() bool { return p.post(t, p.form(asksStock)).StatusCode == 409 })
	if f := link.beat(1, p.form(asksStock)); f.Type != "decline" {
		t.Errorf("answered %+v", f)
	}
	if !slices.ContainsFunc(link.seen, func(f frame) bool { return f.Type == "deposits" && len(f.Handles) == 0 }) {
		link.hears("")
	}
	n.deposit(t, `{"all":true}`, `1`)
	link.hears("stock", "stock")
}

// TestDepositOnAllNodes answers on a node that comes later, and after NATS has lost all.
func TestDepositOnAllNodes(t *testing.T) {
	hub := startHub(t, freeAddress(t))
	on := broker.Config{TTL: time.Minute, URL: "nats://" + hub.address}
	first := newNodeOn(t, on)
	until(t, "the node reaches NATS", func() bool { return len(first.Readiness().Reasons) == 0 })
	first.deposit(t, `{"all":true}`, `"kept"`)
	answers := func(n *node) func() bool {
		p := n.page(t, 2).taking(t)
		return func() bool {
			r := p.post(t, p.form(asksStock))
			return r.StatusCode == 200 && strings.Contains(text(r), `"stock":"kept"`)
		}
	}
	until(t, "the first node answers", answers(first))
	until(t, "a node that comes later answers", answers(newNodeOn(t, on)))
	hub.restart()
	until(t, "a node that comes after NATS was lost answers", answers(newNodeOn(t, on)))
}

// TestOlderDepositDoesNotReturn checks that after NATS was lost a node that had missed a newer
// deposit, or a withdrawal, does not bring the older one back.
func TestOlderDepositDoesNotReturn(t *testing.T) {
	for name, c := range map[string]struct{ newer, want string }{
		"deposit":    {`"newer"`, `"stock":"newer"`},
		"withdrawal": {`null`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			hub := startHub(t, freeAddress(t))
			nodes, gates := make([]*node, 2), make([]*gate, 2)
			for i := range nodes {
				gates[i] = newGate(t, hub.address)
				nodes[i] = newNodeOn(t, broker.Config{TTL: time.Minute, URL: gates[i].url})
				until(t, "the node reaches NATS", func() bool { return len(nodes[i].Readiness().Reasons) == 0 })
			}
			has := func(n *node, want string) func() bool {
				p := n.page(t, 2).taking(t)
				return func() bool {
					r := p.post(t, p.form(asksStock))
					return (r.StatusCode == 409) == (want == "") && strings.Contains(text(r), want)
				}
			}
			newer, behind := nodes[0], nodes[1]
			newer.deposit(t, `{"all":true}`, `"older"`)
			until(t, "both nodes have the deposit", func() bool { return has(newer, `"older"`)() && has(behind, `"older"`)() })
			gates[1].shut()
			newer.deposit(t, `{"all":true}`, c.newer)
			until(t, "one node has the newer one", has(newer, c.want))
			gates[0].shut()
			hub.restart()
			for _, g := range gates {
				g.cut() // what is on its way is lost
			}
			gates[1].open()
			third := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + hub.address})
			until(t, "the other node has restored the older one", has(third, `"older"`))
			gates[0].open()
			for _, n := range []*node{third, behind, newer} {
				until(t, "the newer one is back", has(n, c.want))
			}
		})
	}
}

// hub is a NATS that other brokers use.
type hub struct {
	t       *testing.T
	address string
	broker  *broker.Broker
}

func startHub(t *testing.T, address string) *hub {
	h := &hub{t: t, address: address}
	h.start()
	t.Cleanup(func() { _ = h.broker.Close() })
	return h
}

func (h *hub) start() {
	h.t.Helper()
	until(h.t, "NATS starts", func() (ok bool) {
		var err error
		h.broker, err = broker.Open(h.t.Context(), broker.Config{TTL: time.Minute, Listen: h.address})
		return err == nil
	})
}

// restart stops NATS, which loses what it has, and starts it again.
func (h *hub) restart() {
	h.t.Helper()
	if err := h.broker.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.start()
}

// metric returns the value of a metric.
func (n *node) metric(t *testing.T, name string) string {
	t.Helper()
	r, err := http.Get(n.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}
