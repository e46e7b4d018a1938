package presencesync

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
)

// calledSite is a site whose WordPress waits with the answer of each call.
type calledSite struct {
	state  State
	wake   chan struct{}
	calls  chan struct{} // receives a value for each call
	answer chan struct{} // lets WordPress answer a call
}

// runSite synchronizes a site on a node, only because of changes after the first call.
func runSite(t *testing.T, on *broker.Broker) *calledSite {
	s := &calledSite{wake: make(chan struct{}, 1), calls: make(chan struct{}, 100), answer: make(chan struct{})}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls <- struct{}{}
		select {
		case <-s.answer:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, `{"entries":[]}`)
	}))
	t.Cleanup(site.Close)
	view, err := on.Watch("blog", func(presence.Change) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	s.state.SetURL(site.URL, time.Now())
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		Run(Node{
			Broker: on, Logger: slog.New(slog.DiscardHandler), Wake: s.wake,
			Sites: func(yield func(string, *State) bool) { yield("blog", &s.state) },
			View:  func(context.Context, string) (*broker.View, error) { return view, nil },
			Access: sitecall.Access{
				Now:        func(string) time.Time { return time.Now() },
				Secret:     func(string) string { return "secret" },
				CheckURL:   func(string, string) error { return nil },
				Answered:   func(string, string) {},
				PublicOnly: func(string, string) bool { return false },
			},
		}, time.Hour, stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return s
}

// changes reports a change.
func (s *calledSite) changes() {
	s.state.Soon()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// called waits for a call.
func (s *calledSite) called(t *testing.T, what string) {
	t.Helper()
	select {
	case <-s.calls:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: there is no call", what)
	}
}

// TestChangeDuringACall checks that a change which PHP reports during a call leads to another call
// without a further report.
func TestChangeDuringACall(t *testing.T) {
	s := runSite(t, nodetest.OpenBroker(t, broker.Config{}))
	s.changes()
	s.called(t, "a change")
	s.changes()
	for begun := time.Now(); len(s.wake) > 0; time.Sleep(time.Millisecond) { // until the syncer has received it
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the syncer does not receive the change")
		}
	}
	s.answer <- struct{}{}
	s.called(t, "a change during the call")
	s.answer <- struct{}{}
}

// TestLeadingNode checks that the node which makes the calls of a second needs no other lease for the
// next one, and that another node waits until the second is over.
func TestLeadingNode(t *testing.T) {
	a := nodetest.OpenBroker(t, broker.Config{Listen: "127.0.0.1:0"})
	b := nodetest.OpenBroker(t, broker.Config{URL: "nats://" + a.ListenAddr()})
	leader, other := newSyncer(Node{Broker: a}, time.Hour), newSyncer(Node{Broker: b}, time.Hour)
	leading, follower := new(State), new(State)
	if mine, err := leader.leaseSoon(t.Context(), "blog", leading); !mine || err != nil {
		t.Fatal(mine, err)
	}
	leading.lead(time.Now().Add(time.Hour))
	if mine, err := other.leaseSoon(t.Context(), "blog", follower); !mine || err != nil {
		t.Errorf("the other node: %v, %v; want the lease after the first has ended", mine, err)
	}
	if n := follower.tokens().Tokens(); n > 1 {
		t.Errorf("the other node has %v tokens after its call; want at most 1, since another node has called", n)
	}
	if mine, err := leader.leaseSoon(t.Context(), "blog", leading); !mine || err != nil {
		t.Errorf("the leading node: %v, %v; want no second lease", mine, err)
	}
}

// TestPaceOfCalls checks how soon the calls of a leading node follow each other.
func TestPaceOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y, state, start := newSyncer(Node{}, time.Hour), new(State), time.Now()
		state.lead(start.Add(time.Hour))
		for i, want := range []time.Duration{0, 0, 0, soonEvery, 2 * soonEvery, 3 * soonEvery} {
			if mine, err := y.leaseSoon(t.Context(), "blog", state); !mine || err != nil {
				t.Fatal(mine, err)
			}
			if at := time.Since(start); at < want || at > want+soonEvery/10 {
				t.Errorf("call %d after %v, want %v", i+1, at, want)
			}
		}
	})
}
