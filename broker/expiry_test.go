package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestLostDeletions deletes the entry of a stopped node without a delete marker, as it
// happens to those who read from a server of a cluster that was away. Nobody may show the
// entry for longer than its lifetime, and nobody who is present may leave.
func TestLostDeletions(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	s.opts.Users = []*server.User{
		{Username: "node", Password: "n"},
		{Username: "observer", Password: "o", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{"presence.>"}},
			Publish:   &server.SubjectPermission{Deny: []string{">"}},
		}},
	}
	s.start()
	address := strings.TrimPrefix(s.url(), "nats://")
	asNode, asObserver := "nats://node:n@"+address, "nats://observer:o@"+address
	b := open(t, Config{URL: asNode, TTL: testTTL})
	_, view := watch(t, b, "site")
	watching := observe(t, connect(t, asNode), bucket.Observer{})
	subscribed := observe(t, connect(t, asObserver), bucket.Observer{TTL: testTTL})
	stopped := open(t, Config{URL: asNode, TTL: testTTL})
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	stopped.Hold(page("r", "user-2", "a"), at(1, "x"))
	all := map[string]*changeRecorder{"view": view, "watching observer": watching, "subscribed observer": subscribed}
	for who, d := range all {
		eventually(t, "two entries of the "+who, func() bool { return d.count(presence.Joined, "") == 2 })
	}
	if err := stopped.Close(); err != nil {
		t.Fatal(err)
	}
	gone := keySubject + page("r", "user-2", "a").String()
	if err := streamOf(t, asNode).Purge(t.Context(), jetstream.WithPurgeSubject(gone)); err != nil {
		t.Fatal(err)
	}
	for who, d := range all {
		eventually(t, "the end of the entry of the "+who, func() bool { return d.count(presence.Left, "user-2") == 1 })
		if d.count(presence.Left, "user-1") > 0 {
			t.Errorf("changes of the %s: %s", who, d)
		}
	}
}
