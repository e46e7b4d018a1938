package leader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/leader"
)

// connect starts a NATS server with options, and returns a connection to it.
func connect(t *testing.T, o *server.Options) *nats.Conn {
	t.Helper()
	o.Port, o.NoSigs, o.NoLog = server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestLast compares the answer with that of package jetstream.
func TestLast(t *testing.T) {
	nc := connect(t, &server.Options{JetStream: true, JetStreamDomain: "hub", StoreDir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	plain, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := plain.CreateStream(ctx, jetstream.StreamConfig{Name: "words", Subjects: []string{"words.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*nats.Msg{
		{Subject: "words.a", Data: []byte("first")},
		{Subject: "words.a", Data: []byte("second"), Header: nats.Header{"X-Kind": {"last"}}},
		{Subject: "words.b", Data: nil},
	} {
		if _, err := plain.PublishMsg(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	domain, err := jetstream.NewWithDomain(nc, "hub")
	if err != nil {
		t.Fatal(err)
	}
	prefixed, err := jetstream.NewWithAPIPrefix(nc, "$JS.hub.API")
	if err != nil {
		t.Fatal(err)
	}
	for _, js := range []jetstream.JetStream{plain, domain, prefixed} {
		for _, subject := range []string{"words.a", "words.b"} {
			want, err := stream.GetLastMsgForSubject(ctx, subject)
			if err != nil {
				t.Fatal(err)
			}
			got, err := leader.Last(ctx, js, "words", subject)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject != want.Subject || got.Sequence != want.Sequence || string(got.Data) != string(want.Data) ||
				got.Header.Get("X-Kind") != want.Header.Get("X-Kind") || !got.Time.Equal(want.Time) {
				t.Errorf("%s: got %+v, want %+v", subject, got, want)
			}
		}
		if _, err := leader.Last(ctx, js, "words", "words.c"); !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Errorf("a subject without messages: %v", err)
		}
		var refused *jetstream.APIError
		if _, err := leader.Last(ctx, js, "none", "words.a"); err == nil || errors.As(err, &refused) && refused.ErrorCode != jetstream.JSErrCodeStreamNotFound {
			t.Errorf("no such stream: %v", err)
		}
	}
}
