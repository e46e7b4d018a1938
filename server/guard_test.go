package server

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestHosts asks for the metrics and for the tickets of the demo with the host of another
// site's page, whose name resolves to this machine.
func TestHosts(t *testing.T) {
	n := newNode(t)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "localhost:8081": 200, "[::1]:8081": 200, "heartbeatd:8081": 200, "demo.localhost": 200,
		"evil.example": 421, "evil.example:8081": 421, "127.0.0.1.evil.example": 421, "evil.example.": 421,
	} {
		for _, url := range []string{n.admin + "/metrics", n.url + "/?user=1", n.url + "/demo/settings?user=1", n.url + "/demo/page.css"} {
			if r, body := nodetest.Send(t, "GET", url, "", http.Header{"Host": {host}}); r.StatusCode != want {
				t.Errorf("%s with the host %s: %d %s, want %d", url, host, r.StatusCode, body, want)
			}
		}
	}
	if r, _ := nodetest.Send(t, "GET", n.url+"/heartbeat/heartbeat.js", "", http.Header{"Host": {"example.org"}}); r.StatusCode != 200 {
		t.Errorf("the drop-in of a site: %d", r.StatusCode)
	}
}

// TestMetricsKey asks for the metrics with and without their key.
func TestMetricsKey(t *testing.T) {
	n := newNode(t, func(c *Config) { c.MetricsKey = "the key" })
	for authorization, want := range map[string]int{"Bearer the key": 200, "Bearer the": 401, "Bearer the key2": 401, "the key": 401, "": 401} {
		header := http.Header{"Host": {"node.example.org"}, "Authorization": {authorization}}
		if r, body := nodetest.Send(t, "GET", n.admin+"/metrics", "", header); r.StatusCode != want {
			t.Errorf("%q: %d %s, want %d", authorization, r.StatusCode, body, want)
		}
	}
}

// TestUnknownSiteIsNotTold checks that a client without a secret cannot find out which sites
// there are, by a ticket or by an API key.
func TestUnknownSiteIsNotTold(t *testing.T) {
	n := newNode(t)
	answers := map[string]bool{}
	for _, site := range []string{demoSite, demoSite + "-3", "nowhere", ""} {
		guessed, err := ticket.Sign(site, "guessed", claimsFor("1"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p := &page{node: n, conn: "0123456789", ticket: guessed}
		r, body := nodetest.Send(t, "POST", n.url+"/heartbeat/open", p.hello(), nil)
		answers[r.Status+body] = true
		r, body = nodetest.Send(t, "POST", n.url+"/heartbeat/beat", "a=b", http.Header{"Heartbeat-Ticket": {p.ticket}})
		answers[r.Status+body] = true
		key := http.Header{"Authorization": {"Bearer " + p.ticket}}
		r, body = nodetest.Send(t, "GET", n.admin+"/api/v1/status", "", key)
		answers[r.Status+body] = true
	}
	if len(answers) != 3 {
		t.Errorf("the answers tell sites apart: %v", answers)
	}
}

// TestInvalidMessages puts messages on NATS that are not what nodes send, and checks that
// pages get no frame for them.
func TestInvalidMessages(t *testing.T) {
	n := newNode(t)
	s := n.page(t, 1).socket(t)
	at := topic.Cursor{Epoch: n.replay.kept.Cursor.Epoch, Seq: 100}
	for _, data := range []string{
		`{"kind":"push","to":{"all":true}}`, `{"kind":"push","to":{"all":true},"data":`, `{"kind":"push","data":1}`,
		`{"kind":"push","to":{"all":true,"user":1},"data":1}`, `{"kind":"nudge","to":{"all":true},"spread_ms":-1}`, `null`, `[]`, ``,
		`{"kind":"push","to":{"all":true},"data":"the good one"}`,
	} {
		at.Seq++
		n.replay.receive(broker.Message{Site: demoSite, Cursor: at, Data: []byte(data)})
	}
	if f := s.next("push"); string(f.Data) != `"the good one"` {
		t.Errorf("the page got %s", f.Data)
	}
	for _, f := range s.seen {
		if f.Type == "nudge" {
			t.Error("the page got an invalid nudge")
		}
	}
}

// TestInvalidMessageIsNoGap checks that pages are not told that they may have missed pushes after a
// message on NATS that is invalid, is for a site that this node does not serve, or names no site.
func TestInvalidMessageIsNoGap(t *testing.T) {
	hub := newHub(t)
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + hub.ListenAddr()})
	n.subscribed(t)
	s := n.page(t, 1).socket(t)
	nc, err := nats.Connect("nats://" + hub.ListenAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for i, subject := range []string{demoSite, "another", "=zz", demoSite} {
		n.pushed(t, everybody, fmt.Sprint(i))
		s.next("push")
		if err := errors.Join(nc.Publish("heartbeatd.push."+subject, []byte(`{"kind":`)), nc.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	n.pushed(t, everybody, `"end"`)
	s.next("push")
	for _, f := range s.seen {
		if f.Type == "missed" {
			t.Errorf("told %+v", f)
		}
	}
}
