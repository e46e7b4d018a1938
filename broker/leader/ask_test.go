package leader_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/leader"
)

// TestLostRequest has a service that takes the first requests and does not answer them, as NATS does during an
// election.
func TestLostRequest(t *testing.T) {
	nc := connect(t, &server.Options{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var requests, lost atomic.Int32
	lost.Store(1)
	if _, err := nc.Subscribe("$JS.API.STREAM.MSG.GET.words", func(m *nats.Msg) {
		if requests.Add(1) > lost.Load() {
			_ = m.Respond([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
		}
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := leader.Last(ctx, js, "words", "words.a"); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the first request was lost: %v", err)
	}

	requests.Store(0)
	lost.Store(1000)
	short, cancel := context.WithTimeout(t.Context(), 7*time.Second)
	defer cancel()
	if _, err := leader.Last(short, js, "words", "words.a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all requests were lost: %v", err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := requests.Load(); n != 5 {
		t.Errorf("sent %d requests, want 5", n)
	}
}
