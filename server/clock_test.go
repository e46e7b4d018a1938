package server

import (
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestNodeWithWrongClock has a node whose clock is two minutes behind that of NATS, and another
// one whose clock is right. What the first one writes has the time of NATS, and both show its user
// as active at first.
func TestNodeWithWrongClock(t *testing.T) {
	nats := nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0", TTL: time.Minute})
	address := nodetest.ShiftNATSClock(t, nats.ListenAddr(), 2*time.Minute)
	n := newNodeOn(t, broker.Config{URL: "nats://" + address, TTL: time.Minute})
	p := n.page(t, 2)
	p.socket(t).beat(1, p.pinging("dashboard"))
	view, err := n.sites.get(demoSite).open()
	if err != nil {
		t.Fatal(err)
	}
	shown := view.Shown(presence.Filter{Room: wordpress.AdminRoom})
	right := time.Now().Add(2 * time.Minute)
	if len(shown) != 1 || shown[0].DateGMT > wordpress.Date(right) || shown[0].DateGMT < wordpress.Date(right.Add(-30*time.Second)) {
		t.Errorf("the entry is %+v, want about the date %s", shown, wordpress.Date(right))
	}
	if len(shown) == 1 && (shown[0].IsIdle(n.broker.Now()) || !shown[0].IsIdle(n.broker.Now().Add(time.Minute))) {
		t.Error("idle at the wrong time")
	}
	_, metrics := nodetest.Send(t, "GET", n.admin+"/metrics", "", nil)
	if !strings.Contains(metrics, `heartbeatd_clock_offset_seconds{peer="nats"} 1`) || !strings.Contains(metrics, `heartbeatd_clock_offset_seconds{peer="wordpress"} 0`) {
		t.Error("the metrics lack the difference of the clocks") // 119.9 or 120
	}
	differences := n.clocks.Differences()
	if len(differences) != 1 || !strings.Contains(differences[0].String(), "The clock of NATS is ") {
		t.Errorf("reported: %v", differences)
	}
}
