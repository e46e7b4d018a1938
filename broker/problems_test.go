package broker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// waitProblems waits until the names of the broker's problems are these, and returns the problems.
func waitProblems(t *testing.T, b *Broker, names string) (list []problem.Problem) {
	t.Helper()
	eventually(t, "the problems "+names, func() bool {
		list = b.Problems()
		var have []string
		for _, p := range list {
			if p.Text == "" || p.Remedy == "" {
				t.Errorf("a problem without text or remedy: %+v", p)
			}
			have = append(have, p.Name)
		}
		return strings.Join(have, " ") == names
	})
	return list
}

func TestProblems(t *testing.T) {
	t.Parallel()
	t.Run("NATS is away", func(t *testing.T) {
		s := startNATS(t)
		s.stop()
		b := openOffline(t, Config{URL: strings.Replace(s.url(), "//", "//user:password@", 1)})
		for _, p := range waitProblems(t, b, "nats") {
			if !strings.Contains(p.Text, strings.TrimPrefix(s.url(), "nats://")) || strings.Contains(p.Text, "password") {
				t.Errorf("the text is %q", p.Text)
			}
		}
		if b.Started() {
			t.Error("the broker says that it has reached NATS")
		}
		s.start()
		waitProblems(t, b, "")
		s.stop()
		waitProblems(t, b, "nats")
		if !b.Started() {
			t.Error("the broker says that it has never reached NATS")
		}
	})
	t.Run("JetStream is off", func(t *testing.T) {
		s := startNATS(t)
		s.stop()
		s.opts.JetStream = false
		s.start()
		b := openOffline(t, Config{URL: s.url()})
		waitProblems(t, b, "jetstream")
		if b.Started() {
			t.Error("the broker says that it has reached the bucket")
		}
	})
	t.Run("a stream cannot be created", func(t *testing.T) {
		s := startNATS(t)
		js, err := jetstream.New(connect(t, s.url()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{topic.Revocations.AllSubjects()}}); err != nil {
			t.Fatal(err)
		}
		b := open(t, Config{URL: s.url()})
		for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations, topic.Deposits} {
			b.Subscribe(kind, nil, func(Message) {})
		}
		waitProblems(t, b, "revocations")
		if err := js.DeleteStream(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		waitProblems(t, b, "")
	})
}
