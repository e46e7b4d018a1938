package broker

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// TestOlderStream checks what happens to a stream that an older version has created with a shorter age: it
// is raised, and the size stays. If NATS refuses that, messages are published and received, and one warning
// says what to change.
func TestOlderStream(t *testing.T) {
	const size, age = 16 << 20, 65 * time.Minute
	for name, c := range map[string]struct {
		permissions *server.Permissions
		maxMemory   int64
		wantAge     time.Duration
		warning     string
	}{
		"an account without limits":                    {nil, 0, topic.Revocations.Age, ""},
		"an account that has only room for the stream": {nil, 20 << 20, topic.Revocations.Age, ""},
		"a user who may not update it": {
			&server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.UPDATE.>"}}}, 0, age, "allow $JS.API.STREAM.UPDATE.heartbeatd_revoke",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startNATS(t)
			s.stop()
			s.opts.JetStreamMaxMemory = c.maxMemory
			s.opts.Users = []*server.User{{Username: "old", Password: "p"}, {Username: "new", Password: "p", Permissions: c.permissions}}
			s.start()
			address := strings.TrimPrefix(s.url(), "nats://")
			js, err := jetstream.New(connect(t, "nats://old:p@"+address))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
				Name: "heartbeatd_revoke", Subjects: []string{topic.Revocations.AllSubjects()}, Storage: jetstream.MemoryStorage, MaxBytes: size, MaxAge: age,
			}); err != nil {
				t.Fatal(err)
			}
			var logged errorLog
			b := open(t, Config{URL: "nats://new:p@" + address, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			var received topicRecorder
			b.Subscribe(topic.Revocations, nil, received.add)
			if _, err := b.Publish(t.Context(), topic.Revocations, "s", []byte("x")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the message", func() bool { return len(received.data()) == 1 })
			stream, err := js.Stream(t.Context(), "heartbeatd_revoke")
			if err != nil {
				t.Fatal(err)
			}
			if config := stream.CachedInfo().Config; config.MaxBytes != size || config.MaxAge != c.wantAge {
				t.Errorf("%d bytes and %v, want %d and %v", config.MaxBytes, config.MaxAge, size, c.wantAge)
			}
			text := logged.String()
			if n := strings.Count(text, "cannot keep messages for longer"); c.warning == "" && n > 0 || c.warning != "" && (n != 1 || !strings.Contains(text, c.warning)) {
				t.Errorf("logged %d times: %s", n, text)
			}
		})
	}
}
