//go:build linux

package cluster

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// TestRevocationsSurviveKill ends all servers of a NATS cluster with SIGKILL just after they have accepted
// revocations, while no node is there that could publish them again. A node that starts later has all of them.
func TestRevocationsSurviveKill(t *testing.T) {
	servers := startNATS(t, 3)
	c := broker.Config{URL: strings.Join([]string{servers[0].url, servers[1].url, servers[2].url}, ",")}
	first := openBroker(t, c)
	var want []string
	for i := range 50 {
		name := fmt.Sprint("revocation ", i)
		wait(t, name, func() bool {
			_, err := first.Publish(t.Context(), topic.Revocations, "site", []byte(name))
			return err == nil
		})
		want = append(want, name)
	}
	for _, s := range servers {
		s.Kill()
	}
	_ = first.Close()
	for _, s := range servers {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	heard := make(map[string]bool)
	openBroker(t, c).Subscribe(topic.Revocations, nil, func(m broker.Message) {
		mu.Lock()
		defer mu.Unlock()
		heard[string(m.Data)] = true
	})
	wait(t, "all revocations", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !slices.ContainsFunc(want, func(name string) bool { return !heard[name] })
	})
}

func openBroker(t *testing.T, c broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
