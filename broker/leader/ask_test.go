package leader_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// TestFirst has a request whose answer comes late, after that to the second one: its value is ended, and only the context of the
// other call lasts.
func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var calls atomic.Int32
		var contexts [2]context.Context
		var ended []int
		got, err := leader.First(ctx, func(ctx context.Context) (int, error) {
			call := calls.Add(1)
			contexts[call-1] = ctx
			if call == 1 {
				<-ctx.Done() // its answer comes too late
			}
			return int(call), nil
		}, func(late int) { ended = append(ended, late) })
		if got != 2 || err != nil || !slices.Equal(ended, []int{1}) {
			t.Errorf("%d, %v, ended %v; want the second value, and the first one ended", got, err, ended)
		}
		if contexts[1].Err() != nil {
			t.Error("the context of the second call has ended")
		}
		cancel()
		if contexts[1].Err() == nil {
			t.Error("the context of the second call lasts longer than that of the caller")
		}
	})
}
