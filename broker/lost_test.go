package broker

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// startLossy passes the requests of a JetStream domain to a NATS server. Of those of one kind it loses the first and the third, as NATS
// does during an election.
func startLossy(t *testing.T, s *natsServer, kind string) (domain string) {
	t.Helper()
	nc, asked := connect(t, s.url()), 0
	if _, err := nc.Subscribe("$JS.lossy.API.>", func(m *nats.Msg) {
		request := strings.TrimPrefix(m.Subject, "$JS.lossy.API.")
		if strings.HasPrefix(request, kind) {
			if asked++; asked == 1 || asked == 3 {
				return
			}
		}
		passed := nats.Msg{Subject: request, Reply: m.Reply, Header: m.Header, Data: m.Data}
		if !strings.HasPrefix(request, "$KV.") {
			passed.Subject = "$JS.API." + request
		}
		_ = nc.PublishMsg(&passed) // fails when the test has ended
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return "lossy"
}

// TestLostRequests loses requests of a node. It repeats each before it gives up: it says nothing of an error.
func TestLostRequests(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"STREAM.CREATE.KV_presence", "STREAM.INFO.KV_presence", "CONSUMER.CREATE.KV_presence",
		"STREAM.CREATE.heartbeatd_push", "STREAM.INFO.heartbeatd_push", "STREAM.MSG.GET.heartbeatd_push", "CONSUMER.CREATE.heartbeatd_push",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startNATS(t)
			var lines logLines
			b := open(t, Config{
				URL: s.url(), NATS: external.NATS{Domain: startLossy(t, s, kind)},
				Logger: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
			_, d := watch(t, b, "site")
			open(t, Config{URL: s.url()}).Hold(page("r", "user-1", "a"), at(1, "x"))
			eventually(t, "the entry of another node", func() bool { return d.count(presence.Joined, "user-1") == 1 })
			var received topicRecorder
			b.Subscribe(topic.Pushes, nil, received.add)
			eventually(t, "a message without an error", func() bool {
				_, err := b.Publish(t.Context(), topic.Pushes, "site", []byte("text"))
				return err == nil
			})
			eventually(t, "the message", func() bool { return slices.Contains(received.data(), "site text") })
			if text := lines.String(); text != "" {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}
