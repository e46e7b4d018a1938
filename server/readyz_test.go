package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
)

// TestReadyWithoutNATS checks that traffic may come to a node whose NATS is away: it answers beats.
func TestReadyWithoutNATS(t *testing.T) {
	hub := startHub(t, freeAddress(t))
	n := newNodeOn(t, broker.Config{TTL: time.Minute, URL: "nats://" + hub.address})
	readyz := func() (int, string) {
		r, err := http.Get(n.admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, text(r)
	}
	if status, body := readyz(); status != 200 || body != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("with NATS: %d %s", status, body)
	}
	if err := hub.broker.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the reason", func() bool {
		status, body := readyz()
		return status == 200 && strings.HasPrefix(body, `{"ready":true,"reasons":[{"name":"nats","text":"`) && strings.Contains(body, hub.address)
	})
	p := n.page(t, 1)
	if f := p.socket(t).beat(1, p.pinging("dashboard")); f.Type != "tick" {
		t.Errorf("a beat without NATS: %+v", f)
	}
}
